"""sam2_assets: from annotations made in a SAM2 video demo to a fine-tuned, deployable vision-language model.

The folders below this one are the stations of that line, in the order the data passes them:
``exports`` -> ``instructions`` -> ``quality`` -> ``splitting`` -> ``training`` -> ``evaluation`` -> ``packaging``.
They are plain Python and know nothing of Dagster. ``assets``, ``checks``, ``automation`` and ``resources``
are the thin Dagster skin over them, put together in ``definitions``.
"""
