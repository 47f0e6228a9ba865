"""The database: engine, transactions, the declarative base and the migrations."""

from perch.db.base import Base, UtcDateTime, one_of, table_of
from perch.db.engine import Database, Transactions
from perch.db.ids import new_public_id

__all__ = ["Base", "Database", "Transactions", "UtcDateTime", "new_public_id", "one_of", "table_of"]
