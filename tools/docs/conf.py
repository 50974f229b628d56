# SPDX-License-Identifier: Apache-2.0
"""How Sphinx makes the documentation; tools/build_docs.py prepares its sources and calls it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from docutils import nodes

if TYPE_CHECKING:
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

galaxy = yaml.safe_load((Path(__file__).parents[2] / "galaxy.yml").read_text())

project = "Rackbench"
project_copyright = "Rackbench contributors"
author = "Rackbench contributors"
release = galaxy["version"]
root_doc = "index"
extensions = ["myst_parser", "sphinx_antsibull_ext"]
# A block without a language is what a person types or sees in a terminal.
highlight_language = "none"

myst_heading_anchors = 4
# Files of the site that are no pages, such as schemas: the link stays as it is, and tools/build_docs.py follows it.
myst_url_schemes = {"http": None, "https": None, "mailto": None, "file-of-site": "{{path}}"}

html_theme = "furo"
html_title = f"Rackbench {release}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_use_index = False
html_domain_indices = False

# Names of Ansible's own documentation that the pages of the collection use. Nothing is fetched to build ours.
ANSIBLE = "https://docs.ansible.com/projects/ansible/latest"
OF_ANSIBLE = {
    r"(?P<page>(action|callback))_plugins": "plugins/{page}.html",
    r"common_return_values": "reference_appendices/common_return_values.html",
    r"ansible_configuration_settings": "reference_appendices/config.html",
    r"ansible_collections\.ansible\.builtin\.(?P<page>[a-z_]+)": "collections/ansible/builtin/{page}.html",
    r"(?P<name>(ANSIBLE|DEFAULT)_[A-Z_]+)": "reference_appendices/config.html#envvar-{name}",
}


def link_to_ansible(
    _app: Sphinx, _env: BuildEnvironment, node: pending_xref, contents: nodes.TextElement
) -> nodes.reference | None:
    """Link to Ansible's documentation what is a name of its own; whatever else leads nowhere stays an error."""
    for name, place in OF_ANSIBLE.items():
        if found := re.fullmatch(name, node["reftarget"]):
            return nodes.reference("", "", contents, refuri=f"{ANSIBLE}/{place.format(**found.groupdict())}")
    return None


def setup(app: Sphinx) -> dict[str, bool]:
    """Register what is above."""
    app.connect("missing-reference", link_to_ansible)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
