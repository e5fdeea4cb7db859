from footplate.data.errors import CorruptData as CorruptData
from footplate.data.errors import DataError as DataError
from footplate.data.indexing import index as index
from footplate.data.reader import Reader as Reader
from footplate.data.writing import write as write
