"""What Python programs call, and the commands too: a trained model, and training."""

from charlstm.api.language_model import LanguageModel, load

__all__ = ["LanguageModel", "load"]
