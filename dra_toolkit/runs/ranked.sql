-- every group with the place of its reason in REASONS of compaction.py
(
    SELECT mode, step, batch, group_index, coalesce(texts_dropped, false) AS dropped, CASE
        WHEN flips > 0 THEN 0
        WHEN zero_spread THEN 1
        WHEN row_number() OVER (of_step ORDER BY reward NULLS LAST, batch, group_index) = 1 THEN 2
        WHEN row_number() OVER (of_step ORDER BY reward DESC NULLS LAST, batch, group_index) = 1 THEN 2
        WHEN row_number() OVER (of_prompt ORDER BY step, batch, group_index) = 1 THEN 3
        WHEN row_number() OVER (of_prompt ORDER BY step DESC, batch DESC, group_index DESC) = 1 THEN 3
        ELSE 4 END AS rank
    FROM groups WINDOW of_step AS (PARTITION BY mode, step), of_prompt AS (PARTITION BY mode, prompt_hash))
