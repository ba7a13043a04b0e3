"""Every attack with small numbers, for the tests that go through all of them."""

from defective.attacks import boundary, cw, difgsm, fgsm, hopskipjump, lspga, mifgsm, nifgsm, pgd, sifgsm, tifgsm, vmifgsm

EPS, STEP = 8 / 255, 2 / 255
NUMBERS = {"eps": EPS, "step_size": STEP, "steps": 8}

# From a model, images, labels, and a generator for those that draw.
ATTACKS = {
    "fgsm": lambda m, x, y, g: fgsm(m, x, y, eps=EPS),
    "pgd": lambda m, x, y, g: pgd(m, x, y, **NUMBERS),
    "pgd, random start": lambda m, x, y, g: pgd(m, x, y, **NUMBERS, random_start=True, generator=g),
    "mifgsm": lambda m, x, y, g: mifgsm(m, x, y, **NUMBERS),
    "difgsm": lambda m, x, y, g: difgsm(m, x, y, **NUMBERS, resize_rate=0.6, generator=g),
    "tifgsm": lambda m, x, y, g: tifgsm(m, x, y, **NUMBERS, kernel_size=3),
    "sifgsm": lambda m, x, y, g: sifgsm(m, x, y, **NUMBERS, scales=3),
    "nifgsm": lambda m, x, y, g: nifgsm(m, x, y, **NUMBERS),
    "vmifgsm": lambda m, x, y, g: vmifgsm(m, x, y, **NUMBERS, neighbors=2, generator=g),
    "lspga": lambda m, x, y, g: lspga(m, x, y, eps=EPS, generator=g),
    "cw": lambda m, x, y, g: cw(m, x, y, steps=25, search_steps=3, initial_const=1.0),
    "boundary": lambda m, x, y, g: boundary(m, x, y, steps=20, generator=g),
    "hopskipjump": lambda m, x, y, g: hopskipjump(m, x, y, steps=2, generator=g),
    "hopskipjump, linf": lambda m, x, y, g: hopskipjump(m, x, y, steps=2, norm="linf", generator=g),
}
UNBOUNDED = ("cw", "boundary", "hopskipjump", "hopskipjump, linf")
RANDOM = ("pgd, random start", "difgsm", "vmifgsm", "lspga", *UNBOUNDED[1:])
