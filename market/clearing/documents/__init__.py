"""Problems and results as JSON: read strictly, checked column by column, written canonically.

`problem_json` reads (`problem_bytes` the bytes, `problem_builder` collects, `problem_columns` and
`problem_totals` check), `problem_document` writes a problem, `result_json` a result.
"""
