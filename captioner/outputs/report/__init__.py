"""The HTML report of an evaluation: one page that opens anywhere, offline."""

from captioner.outputs.report.content import pictures_of, report_content
from captioner.outputs.report.page import write_page

__all__ = ["pictures_of", "report_content", "write_page"]
