"""The page: the Dirac game running in a browser, by itself, served with what needs Python, or in a notebook.

:mod:`~diracgan.web.bundle` puts it together from ``assets/`` and the programs of :mod:`~diracgan.web.programs`;
``diracgan explore`` serves it, and :func:`~diracgan.web.widget.widget` shows it in a notebook.
"""
