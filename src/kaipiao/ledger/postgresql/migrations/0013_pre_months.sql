-- One book for each taxpayer, channel and month: requests for lists, how far the comparison came, the confirmation.
CREATE TABLE month_book (
    taxpayer text COLLATE "C" NOT NULL,
    channel text COLLATE "C" NOT NULL,
    month text COLLATE "C" NOT NULL,
    version integer NOT NULL, -- + 1 with every change
    content text NOT NULL, -- JSON
    PRIMARY KEY (taxpayer, channel, month)
);

-- What differs now between the bureau's books and ours.
CREATE TABLE finding (
    taxpayer text COLLATE "C" NOT NULL,
    channel text COLLATE "C" NOT NULL,
    month text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    number text COLLATE "C" NOT NULL, -- '': about the month as a whole
    client_order text,
    ours text NOT NULL, -- JSON: the fields that differ
    theirs text NOT NULL,
    run bigint NOT NULL, -- which comparison saw it last
    found_at bigint NOT NULL,
    PRIMARY KEY (taxpayer, channel, month, kind, number)
);
