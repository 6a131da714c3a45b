-- The rule by which a crash is only counted: then no attempt has left a document of it.

ALTER TABLE facts ADD COLUMN counted_by TEXT;
