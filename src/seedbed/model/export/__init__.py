"""A model for other programs: one ONNX file, or plain PyTorch."""

from seedbed.model.export.exported import Exported, export

__all__ = ["Exported", "export"]
