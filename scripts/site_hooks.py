"""Hooks of mkdocs: pages that are written from the code, the navigation, and the check of the built site."""

import logging
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from site_pages import api, commands, links, measures, navigation, paper_tables, recipes

LOG = logging.getLogger("mkdocs.hooks.site")
"""A warning fails a strict build."""
GENERATED = (recipes, measures, commands, paper_tables, api)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for module in GENERATED:
        for path, text in module.pages().items():
            files.append(File.generated(config, path, content=text))
    config.nav = navigation.expanded(config.nav or [], [file.src_uri for file in files.documentation_pages()])
    return files


def on_post_build(config: MkDocsConfig) -> None:
    for problem in links.problems(Path(config.site_dir).resolve()):
        LOG.warning(problem)
