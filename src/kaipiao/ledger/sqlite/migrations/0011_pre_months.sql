-- One book for each taxpayer, channel and month: requests for lists, how far the comparison came, the confirmation.
CREATE TABLE month_book (
    taxpayer TEXT NOT NULL,
    channel TEXT NOT NULL,
    month TEXT NOT NULL,
    version INTEGER NOT NULL, -- + 1 with every change
    content TEXT NOT NULL, -- JSON
    PRIMARY KEY (taxpayer, channel, month)
) STRICT, WITHOUT ROWID;

-- What differs now between the bureau's books and ours.
CREATE TABLE finding (
    taxpayer TEXT NOT NULL,
    channel TEXT NOT NULL,
    month TEXT NOT NULL,
    kind TEXT NOT NULL,
    number TEXT NOT NULL, -- '': about the month as a whole
    client_order TEXT,
    ours TEXT NOT NULL, -- JSON: the fields that differ
    theirs TEXT NOT NULL,
    run INTEGER NOT NULL, -- which comparison saw it last
    found_at INTEGER NOT NULL,
    PRIMARY KEY (taxpayer, channel, month, kind, number)
) STRICT, WITHOUT ROWID;
