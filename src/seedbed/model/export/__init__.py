"""A model for where seedbed isn't: one ONNX file, or a page of plain PyTorch."""

from seedbed.model.export.exported import Exported, export

__all__ = ["Exported", "export"]
