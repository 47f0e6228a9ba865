"""The confined process that decodes strangers' files: ``python -m perch.media.probe SOURCE FOLDER``.

It leaves three files in FOLDER: ``clean``, the file without its metadata, ``preview.webp``, and
``verdict.json``. Whatever goes wrong here, goes wrong in a process that holds nothing worth taking.
"""
