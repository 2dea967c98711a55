"""Problems and results as JSON: read strictly, checked column by column, written canonically.

`problem_json` reads: `problem_bytes` the bytes, `problem_records` lifts columns out of records,
`problem_builder` collects them (as `problem_given` holds them), `problem_columns` and `problem_totals` check,
`problem_paths` names where what is wrong stands. `problem_document` writes a problem, `result_json` a result.
"""
