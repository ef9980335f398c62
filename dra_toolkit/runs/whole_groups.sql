-- The files whose rows are whole groups, each once, with its completions in order, and what the name of the file says.
SELECT filename FROM (
    SELECT filename, mode, step, batch, count(*) AS n,
        count("{index}") = n AND min(completion_index) = 0 AND max(completion_index) = n - 1
        AND count(completion_index) = n AND min(file_row_number - completion_index) = max(file_row_number - completion_index)
        AND count({size}) = n AND min({size}) = n AND max({size}) = n
        AND count(similarity) = n AND min(len(similarity) + completion_index) = n - 1
        AND max(len(similarity) + completion_index) = n - 1 AS is_whole
    FROM read_parquet($1, filename = true, file_row_number = true, hive_partitioning = false)
    GROUP BY filename, mode, step, batch, "{index}"
)
GROUP BY filename
HAVING bool_and(coalesce(is_whole AND ends_with(filename, format('/{{}}-{{:08d}}-{{:03d}}.parquet', mode, step, batch)), false))
