"""Copies the studies of a Shenton database until there are many: `many_studies.py DATABASE COUNT`.

For the tests of the worklist: the copies are of the site `copies`, have no images, and differ in patient, time and score.
"""

import sqlite3
import sys


def main() -> None:
    path, count = sys.argv[1], int(sys.argv[2])
    db = sqlite3.connect(path, timeout=60)
    # Keys that follow from other columns keep their order: definite before negative, higher scores first.
    db.execute(
        """
        WITH RECURSIVE copy(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM copy WHERE n < ?1)
        INSERT INTO study (study_uid, site, patient_name, patient_id, patient_sex, patient_birth_date, study_date,
            study_time, accession_number, description, images, received_at, last_received_at, state, due_at, attempt,
            generation, failure, result, top_score, top_side, answered, suspicion_key, state_rank, patient_key,
            search_text)
        SELECT study_uid || '.' || n, 'copies', printf('COPY%06d^SIMULATED', n), printf('COPY%06d', n), patient_sex,
            patient_birth_date, study_date, study_time, accession_number || '-' || n, description, images,
            received_at - n * 60000, last_received_at - n * 60000, 'done', NULL, attempt, generation, NULL,
            'negative', 0.4 - 0.4 * n / (?1 + 1.0), 'left', 0,
            50000000 + 1000000 - CAST((0.4 - 0.4 * n / (?1 + 1.0)) * 1e6 AS INTEGER), 4,
            printf('copy%06d simulated', n), printf('copy%06d simulated', n)
        FROM copy, (SELECT * FROM study ORDER BY id LIMIT 1)
        """,
        (count,),
    )
    db.commit()
    print(db.execute("SELECT count(*) FROM study").fetchone()[0])


main()
