"""What was measured, beside what was published.

A number goes from the result of a job through :func:`defective.results.exhibit_result.document` into a cell of an ``ExhibitResult``, which
tables, pages and docs read. Claims read the same cells, and what is behind them image by image: ``contrasts`` adds them up, ``claims``
gives verdicts. ``stored`` does both for all that a store holds.
"""
