SELECT
    reason,
    arrayStringConcat(arraySort(groupUniqArray(toString(source))), ', ') AS sent_by,
    field,
    uniqExact(source, message_id) AS events,
    any(detail) AS what_to_do
FROM parcours.rejected_events
GROUP BY reason, field
ORDER BY events DESC, reason, field
