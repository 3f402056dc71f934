"""From images, texts and attributes to features, by encoders behind one contract, each with its own dependencies."""

from .attributes import read_attributes
from .base import Encoder, TextualEncoder, VisualEncoder
from .descriptor import DescriptorEncoder
from .encoding import encode, encode_source
from .folders import read_folder
from .hugging_face import HuggingFaceEncoder
from .images import load_image
from .items import Item
from .numeric import NumericEncoder
from .problems import EncodingError, EncodingReport, Problem, UnusableInputError
from .resolver import encoder_resolver
from .sentence_transformer import SentenceTransformerEncoder
from .sources import read_table
from .timm_model import TimmEncoder

__all__ = [
    "DescriptorEncoder",
    "Encoder",
    "EncodingError",
    "EncodingReport",
    "HuggingFaceEncoder",
    "Item",
    "NumericEncoder",
    "Problem",
    "SentenceTransformerEncoder",
    "TextualEncoder",
    "TimmEncoder",
    "UnusableInputError",
    "VisualEncoder",
    "encode",
    "encode_source",
    "encoder_resolver",
    "load_image",
    "read_attributes",
    "read_folder",
    "read_table",
]
