-- every group until a step, and how many of its completions were right
SELECT g.step, g.batch, g.group_index, g.prompt_hash, g.size, coalesce(round(g.correct_share * g.size), c.positive)::INT AS correct
FROM groups g JOIN (SELECT mode, step, batch, group_index, count(*) FILTER (WHERE total > 0 AND NOT isnan(total)) AS positive
    FROM completions WHERE mode = $1 AND step <= $2 GROUP BY ALL) c USING (mode, step, batch, group_index)
WHERE g.mode = $1 AND g.step <= $2 ORDER BY g.step, g.batch, g.group_index
