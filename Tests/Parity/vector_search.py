"""Nearest frames by sqlite-vec (pip install sqlite-vec), straight on `frame_feature.feature`.

    python3 vector_search.py features.sqlite PATH POSITION

Prints the five frames most like the one named, as `path position cosine-distance`, nearest first; the README's query.
"""
import sqlite3
import sys

import sqlite_vec

cache, path, position = sys.argv[1], sys.argv[2], int(sys.argv[3])
database = sqlite3.connect(f"file:{cache}?mode=ro", uri=True)
database.enable_load_extension(True)
sqlite_vec.load(database)
rows = database.execute(
    """
    SELECT other.path, other.position, vec_distance_cosine(other.feature, frame.feature) AS distance
    FROM frame_feature AS frame JOIN frame_feature AS other ON other.extraction = frame.extraction
    WHERE frame.path = ? AND frame.position = ? ORDER BY distance, other.path, other.position LIMIT 5
    """,
    (path, position),
)
for other, place, distance in rows:
    print(other, place, f"{distance:.6f}")
