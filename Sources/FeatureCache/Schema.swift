/// The cache's tables and views. A released version is never edited: a change is a new version with a migration.
enum Schema {
    /// `PRAGMA user_version` of new files.
    static let version = 5
    /// `PRAGMA application_id`: "ZOET".
    static let applicationID = 0x5A4F_4554

    static let tables = """
        CREATE TABLE video (            -- one file's content
          id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE,      -- SHA-256 of the bytes, hex
          path TEXT NOT NULL,                                       -- as last seen, relative to the dataset root
          width INTEGER, height INTEGER, frame_count INTEGER, frame_rate REAL, duration REAL, codec TEXT);
        CREATE TABLE sample (           -- a video's place in a dataset
          dataset TEXT NOT NULL, video_id INTEGER NOT NULL REFERENCES video, label TEXT NOT NULL,
          split TEXT NOT NULL,                                      -- train | validation | test
          "group" TEXT, PRIMARY KEY (dataset, video_id));
        CREATE TABLE extraction (       -- a recipe
          id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
          backbone TEXT NOT NULL, weights TEXT NOT NULL, weights_digest TEXT, tap TEXT NOT NULL,
          image_size INTEGER NOT NULL, max_frames INTEGER NOT NULL, feature_shape TEXT NOT NULL,  -- JSON
          feature_size INTEGER NOT NULL, element_type TEXT NOT NULL, precision TEXT NOT NULL,
          recipe TEXT NOT NULL,                                     -- the whole recipe as JSON
          version TEXT NOT NULL, created_at TEXT NOT NULL);
        CREATE TABLE sequence (         -- what stage 2 trains on
          extraction_id INTEGER NOT NULL REFERENCES extraction, video_id INTEGER NOT NULL REFERENCES video,
          view INTEGER NOT NULL DEFAULT 0,                          -- 0 is the plain view; others are augmented
          length INTEGER NOT NULL, mask TEXT NOT NULL,              -- '11111111000…', max_frames characters
          frame_indices TEXT NOT NULL, frame_times TEXT NOT NULL,   -- JSON arrays of `length` numbers; seconds
          decode_errors INTEGER NOT NULL DEFAULT 0,                 -- damaged stretches skipped on the way
          checksum TEXT NOT NULL,                                   -- SHA-256 of features, hex
          features BLOB NOT NULL,                                   -- max_frames × feature_size, zero-padded
          PRIMARY KEY (extraction_id, video_id, view));
        CREATE TABLE failure (extraction_id INTEGER, path TEXT, error TEXT NOT NULL, at TEXT NOT NULL,
          PRIMARY KEY (extraction_id, path));
        CREATE TABLE run (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
          extraction_id INTEGER REFERENCES extraction, dataset TEXT, model TEXT NOT NULL,
          configuration TEXT NOT NULL, seed INTEGER, state TEXT NOT NULL, started_at TEXT, finished_at TEXT);
        CREATE TABLE epoch (run_id INTEGER REFERENCES run, epoch INTEGER, learning_rate REAL, train_loss REAL,
          train_accuracy REAL, validation_loss REAL, validation_accuracy REAL, seconds REAL,
          PRIMARY KEY (run_id, epoch));
        CREATE TABLE prediction (run_id INTEGER REFERENCES run, video_id INTEGER REFERENCES video, split TEXT,
          label TEXT, predicted TEXT, probability REAL, probabilities TEXT, PRIMARY KEY (run_id, video_id, split));
        """

    /// Without them, a query by video scans all samples.
    static let indexes = """
        CREATE INDEX sample_video ON sample (video_id);
        CREATE INDEX sequence_video ON sequence (video_id);
        CREATE INDEX prediction_video ON prediction (video_id);
        """

    /// Created by the first extraction that needs it, so that older caches need no migration. Its content depends on
    /// the machine and is not merged.
    static let files = """
        CREATE TABLE IF NOT EXISTS file (     -- what a clip or weight file held when it was last read, and its state
          path TEXT PRIMARY KEY,                                    -- absolute
          digest TEXT NOT NULL, bytes INTEGER NOT NULL,
          modified INTEGER NOT NULL, inode INTEGER NOT NULL         -- nanoseconds since 1970; the file system's number
        ) WITHOUT ROWID;
        """

    /// SQL that migrates version `n` to version `n + 1`.
    static let migrations: [Int: String] = [
        1: indexes, 2: windows + "DROP VIEW frame_feature;" + frameFeature, 3: membership + recoveredMembership,
        4: annotations + annotationsOfSamples
            + ["confusion", "class_accuracy", "label_accuracy"].map { "DROP VIEW IF EXISTS \($0);" }.joined()
            + runViews,
    ]

    /// First and last frames of windows; `frame_indices` and `frame_times` are then those of the middle frames. New
    /// caches get the column through the same statement, so that all schemas are identical.
    static let windows = "ALTER TABLE sequence ADD COLUMN window_ends TEXT;"  // JSON array of [first, last] frame

    /// The clips that a run was trained on, independent of later changes to the data set. A clip of a cross-validated
    /// run has two rows: `heldout` for the fold models, and `train` for the model that is kept.
    static let membership = """
        CREATE TABLE membership (       -- which clip played which part in a run
          run_id INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
          video_id INTEGER NOT NULL REFERENCES video,
          role TEXT NOT NULL,                                       -- train | validation | test | heldout
          PRIMARY KEY (run_id, video_id, role)) WITHOUT ROWID;
        CREATE INDEX membership_video ON membership (video_id);
        """

    /// Runs of older versions stored a prediction of every clip that they used, with its split. Predictions with
    /// non-finite probabilities had been counted as correct.
    private static let recoveredMembership = """
        INSERT OR IGNORE INTO membership (run_id, video_id, role)
          SELECT run_id, video_id,
            CASE WHEN split = 'validation' AND CASE WHEN json_valid(configuration)
              THEN json_extract(configuration, '$.folds') END IS NOT NULL THEN 'heldout' ELSE split END
          FROM prediction JOIN run ON run.id = run_id JOIN video ON video.id = video_id
          WHERE split IN ('train', 'validation', 'test');
        UPDATE run SET state = 'diverged' WHERE id IN
          (SELECT run_id FROM prediction WHERE probability IS NULL OR probabilities LIKE '%nan%'
            OR probabilities LIKE '%inf%');
        UPDATE prediction SET predicted = '', probability = NULL, probabilities = NULL
          WHERE probability IS NULL OR probabilities LIKE '%nan%' OR probabilities LIKE '%inf%';
        """

    /// Labels of clips, of which `sample.label` is the only one in data sets of one class a clip, and metrics of runs.
    /// `run.task` and `epoch.validation_map` are added to new caches by the same statements.
    static let annotations = """
        CREATE TABLE annotation (       -- any number of labels a clip
          id INTEGER PRIMARY KEY, dataset TEXT NOT NULL,
          video_id INTEGER NOT NULL REFERENCES video ON DELETE CASCADE, label TEXT NOT NULL,
          start_time REAL, end_time REAL,                           -- seconds; both NULL for the whole clip
          source TEXT NOT NULL,                                     -- folder | list | person | model | sample
          created_at TEXT NOT NULL);
        CREATE INDEX annotation_video ON annotation (video_id, dataset);
        CREATE INDEX annotation_label ON annotation (dataset, label);
        ALTER TABLE run ADD COLUMN task TEXT NOT NULL DEFAULT 'classification';
        ALTER TABLE epoch ADD COLUMN validation_map REAL;           -- mean average precision, of several labels a clip
        CREATE TABLE metric (           -- of a run's predictions of a split
          run_id INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
          split TEXT NOT NULL, name TEXT NOT NULL, value REAL NOT NULL,
          PRIMARY KEY (run_id, split, name)) WITHOUT ROWID;
        """

    /// Whether the labels come from a folder or a list is not known to older versions.
    private static let annotationsOfSamples = """
        INSERT INTO annotation (dataset, video_id, label, source, created_at)
          SELECT dataset, video_id, label, 'sample', strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
          FROM sample ORDER BY dataset, video_id;
        """

    /// Created when the first cross-validated run is stored.
    static let folds = """
        CREATE TABLE IF NOT EXISTS fold (   -- what the models of a cross-validated run say of clips held out from them
          run_id INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
          video_id INTEGER NOT NULL REFERENCES video ON DELETE CASCADE,
          repeat INTEGER NOT NULL, fold INTEGER NOT NULL,           -- from 1
          predicted TEXT NOT NULL, probabilities TEXT NOT NULL,     -- JSON, in the order of the run's labels
          PRIMARY KEY (run_id, repeat, video_id)) WITHOUT ROWID;
        """

    /// Created by the first search for near-duplicates.
    static let nearDuplicates = """
        CREATE TABLE IF NOT EXISTS twin_pair (      -- two videos that show the same, the lower id first
          dataset TEXT NOT NULL, extraction_id INTEGER NOT NULL REFERENCES extraction ON DELETE CASCADE,
          video_id INTEGER NOT NULL REFERENCES video ON DELETE CASCADE,
          twin_id INTEGER NOT NULL REFERENCES video ON DELETE CASCADE,
          cosine REAL NOT NULL,                     -- of their features, less what all clips have in common
          likeness REAL NOT NULL,                   -- of their pictures, from -1 to 1
          PRIMARY KEY (dataset, extraction_id, video_id, twin_id)) WITHOUT ROWID;
        CREATE VIEW IF NOT EXISTS twin AS
          SELECT twin_pair.dataset AS dataset, one.path AS path, two.path AS twin, first.label AS label,
            second.label AS twin_label, first.split AS split, second.split AS twin_split, cosine, likeness
          FROM twin_pair
            JOIN video AS one ON one.id = twin_pair.video_id JOIN video AS two ON two.id = twin_pair.twin_id
            JOIN sample AS first ON first.dataset = twin_pair.dataset AND first.video_id = twin_pair.video_id
            JOIN sample AS second ON second.dataset = twin_pair.dataset AND second.video_id = twin_pair.twin_id;
        """

    /// Created by the first search with phrases.
    static let phrases = """
        CREATE TABLE IF NOT EXISTS phrase (         -- phrases searched for, with their features
          extraction_id INTEGER NOT NULL REFERENCES extraction ON DELETE CASCADE,
          phrase TEXT NOT NULL,
          feature BLOB NOT NULL,                    -- float32, of length 1
          PRIMARY KEY (extraction_id, phrase)) WITHOUT ROWID;
        """

    static let views = frameFeature + coverage + runViews

    private static let frameFeature = """
        CREATE VIEW frame_feature AS    -- one row a frame; `feature` is a blob of feature_size numbers
          SELECT extraction.name AS extraction, video.path AS path,
            (SELECT label FROM sample WHERE sample.video_id = video.id ORDER BY dataset LIMIT 1) AS label,
            frame.key AS position, frame.value AS frame_index,
            json_extract(sequence.frame_times, '$[' || frame.key || ']') AS time,
            CAST(substr(sequence.mask, frame.key + 1, 1) AS INTEGER) AS mask,
            substr(sequence.features, 1 + frame.key * row.bytes, row.bytes) AS feature,
            sequence.view AS view,
            coalesce(json_extract(sequence.window_ends, '$[' || frame.key || '][0]'), frame.value) AS first_frame,
            coalesce(json_extract(sequence.window_ends, '$[' || frame.key || '][1]'), frame.value) AS last_frame
          FROM sequence
            JOIN extraction ON extraction.id = sequence.extraction_id
            JOIN video ON video.id = sequence.video_id
            JOIN (SELECT id, feature_size * CASE element_type WHEN 'float16' THEN 2 ELSE 4 END AS bytes
              FROM extraction) AS row ON row.id = extraction.id
            JOIN json_each(sequence.frame_indices) AS frame;
        """

    private static let coverage = """

        CREATE VIEW coverage AS         -- how much of a dataset a recipe has seen
          SELECT sample.dataset AS dataset, extraction.name AS extraction, sample.split AS split,
            sample.label AS label, count(sequence.video_id) AS videos,
            coalesce(sum(sequence.length), 0) AS frames, avg(sequence.length) AS mean_length,
            count(failure.path) AS failures
          FROM sample
            JOIN video ON video.id = sample.video_id
            CROSS JOIN extraction
            LEFT JOIN sequence ON sequence.extraction_id = extraction.id
              AND sequence.video_id = sample.video_id AND sequence.view = 0
            LEFT JOIN failure ON failure.extraction_id = extraction.id AND failure.path = video.path
          GROUP BY sample.dataset, extraction.id, sample.split, sample.label
          HAVING count(sequence.video_id) + count(failure.path) > 0;
        """

    /// Runs of the task `multilabel` store JSON arrays in `label` and `predicted`, and have a view of their own.
    private static let runViews = """
        CREATE VIEW confusion AS
          SELECT run.name AS run, prediction.split AS split, prediction.label AS label,
            prediction.predicted AS predicted, count(*) AS videos
          FROM prediction JOIN run ON run.id = prediction.run_id AND run.task = 'classification'
          GROUP BY run.id, prediction.split, prediction.label, prediction.predicted;
        CREATE VIEW class_accuracy AS   -- `accuracy` of a class is its recall
          SELECT truth.run AS run, truth.split AS split, truth.label AS label, truth.videos AS videos,
            truth.correct AS correct, 1.0 * truth.correct / truth.videos AS accuracy,
            1.0 * truth.correct / truth.videos AS recall,
            coalesce(1.0 * truth.correct / answer.predicted, 0.0) AS precision,
            2.0 * truth.correct / (truth.videos + coalesce(answer.predicted, 0)) AS f1
          FROM (SELECT run.id AS id, run.name AS run, prediction.split AS split, prediction.label AS label,
              count(*) AS videos, sum(prediction.label = prediction.predicted) AS correct
            FROM prediction JOIN run ON run.id = prediction.run_id AND run.task = 'classification'
            GROUP BY run.id, prediction.split, prediction.label) AS truth
            LEFT JOIN (SELECT run_id, split, predicted AS label, count(*) AS predicted
              FROM prediction GROUP BY run_id, split, predicted) AS answer
            ON answer.run_id = truth.id AND answer.split = truth.split AND answer.label = truth.label;
        CREATE VIEW label_accuracy AS   -- one row a label of a run with several labels a clip, at its thresholds
          WITH named AS (
            SELECT run_id, split, video_id, name.value AS label, 1 AS is_true, 0 AS is_predicted
              FROM prediction JOIN run ON run.id = run_id AND run.task = 'multilabel',
                json_each(CASE WHEN json_valid(prediction.label) THEN prediction.label ELSE '[]' END) AS name
            UNION ALL
            SELECT run_id, split, video_id, name.value AS label, 0 AS is_true, 1 AS is_predicted
              FROM prediction JOIN run ON run.id = run_id AND run.task = 'multilabel',
                json_each(CASE WHEN json_valid(predicted) THEN predicted ELSE '[]' END) AS name),
          clip AS (
            SELECT run_id, split, label, max(is_true) AS is_true, max(is_predicted) AS is_predicted
            FROM named GROUP BY run_id, split, video_id, label)
          SELECT run.name AS run, split, label, sum(is_true) AS videos, sum(is_predicted) AS predicted,
            sum(is_true * is_predicted) AS correct,
            1.0 * sum(is_true * is_predicted) / nullif(sum(is_true), 0) AS recall,
            coalesce(1.0 * sum(is_true * is_predicted) / nullif(sum(is_predicted), 0), 0.0) AS precision,
            2.0 * sum(is_true * is_predicted) / (sum(is_true) + sum(is_predicted)) AS f1
          FROM clip JOIN run ON run.id = run_id GROUP BY run_id, split, label;
        """
}
