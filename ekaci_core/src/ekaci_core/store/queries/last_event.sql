-- The greatest number that an event ever had: no other connection writes before this transaction ends.
SELECT seq FROM sqlite_sequence WHERE name = 'build_event'
