"""The explorer: a page in the browser on which every number can be moved.

:mod:`~diracgan.web.scene` says what is shown and computes it; :mod:`~diracgan.web.page` is the page itself, a
marimo notebook. ``diracgan explore`` serves it on this machine alone.
"""
