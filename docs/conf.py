"""Settings of Sphinx for the site that `make docs` builds."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

project = "charlstm"
author = "the authors of charlstm"
release = re.findall(r'__version__ = "(.*)"', (ROOT / "charlstm" / "__init__.py").read_text(encoding="utf-8"))[0]
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["pictures/README.md"]
html_theme = "furo"
html_title = f"charlstm {release}"
html_extra_path = ["../build/live"]  # the live pages of the gallery
html_copy_source = False
html_show_copyright = False
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True
nb_output_stderr = "remove"  # the progress bar
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_preprocess_types = False
smartquotes = False  # h' is a name
default_role = "literal"  # `code` in docstrings
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say it in words
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 80
suppress_warnings = ["misc.highlighting_failure"]  # the output of a command may have a quote without its partner
