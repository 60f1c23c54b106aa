-- Five questions about many hosts, and how far the answers are true: the same as of
-- clickhouse/queries.sql, of all lines that the files have.

-- 1. When did it begin, and where?
SELECT
    date_trunc('minute', time) AS minute,
    host,
    count(DISTINCT (netns, cookie, laddr, lport, raddr, rport)) AS connections,
    round(sum(loss_ns) / 1e9, 3) AS loss_s,
    round(sum(recovery_ns) / 1e9, 3) AS recovery_s,
    sum(rtos) AS rtos
FROM flows
GROUP BY ALL
ORDER BY minute, host;

-- 2. Is it a host, or the way to a network? Many hosts towards one network: the way.
SELECT
    prefix AS network,
    count(DISTINCT host) FILTER (loss_ns + recovery_ns > 0) AS hosts,
    round(sum(loss_ns) / 1e9, 3) AS loss_s,
    round(sum(recovery_ns) / 1e9, 3) AS recovery_s,
    round(100 * sum(retrans) / nullif(sum(delivered), 0), 2) AS retransmitted_percent,
    round(max(rtt_ns) / 1e6, 1) AS rtt_longest_ms
FROM flows
GROUP BY ALL
ORDER BY loss_s + recovery_s DESC, network
LIMIT 20;

-- 3. Whose connections are they, and what did timeouts cost them? The wait before each, and
-- Loss after it; what was waited in Loss, before repeated ones, is part of that.
SELECT
    coalesce(unit, '') AS unit,
    coalesce(comm, '') AS comm,
    count(DISTINCT host) AS hosts,
    count(DISTINCT (host, netns, cookie, laddr, lport, raddr, rport)) AS connections,
    sum(rtos) AS rtos,
    round(sum(coalesce(waited_ns - waited_loss_ns, 0) + loss_ns) / 1e9, 3) AS timeouts_cost_s
FROM flows
GROUP BY ALL
ORDER BY timeouts_cost_s DESC, unit, comm
LIMIT 20;

-- 4. What holds connections up, on how many hosts, and what is to be looked at next?
SELECT
    verdict,
    count(DISTINCT host) AS hosts,
    count(DISTINCT (host, netns, laddr, lport, raddr, rport)) AS connections,
    round(sum(held_up_ns) / 1e9, 3) AS held_up_s,
    max(coalesce(next_step, '')) AS next_step
FROM verdicts
GROUP BY ALL
ORDER BY held_up_s DESC, verdict;

-- 5. Which connections, and what happened to them?
WITH
    worst AS (
        SELECT
            host, netns, laddr, lport, raddr, rport,
            sum(loss_ns) AS loss,
            sum(recovery_ns) AS recovery,
            max(rtt_ns) AS rtt
        FROM flows
        GROUP BY ALL
        ORDER BY loss + recovery DESC, host, lport
        LIMIT 10
    ),
    happened AS (
        SELECT
            host, netns, laddr, lport, raddr, rport,
            count(*) FILTER (cause IN ('rto', 'rto-repeat', 'syn-timeout')) AS timeouts,
            count(*) FILTER (cause IN ('fast-retransmit', 'rack-timer')) AS losses_found,
            count(*) FILTER (cause = 'undo') AS undone
        FROM transitions
        GROUP BY ALL
    )
SELECT
    worst.host,
    concat(worst.laddr, ':', worst.lport) AS local,
    concat(worst.raddr, ':', worst.rport) AS remote,
    round(loss / 1e9, 3) AS loss_s,
    round(recovery / 1e9, 3) AS recovery_s,
    round(rtt / 1e6, 1) AS rtt_longest_ms,
    coalesce(timeouts, 0) AS timeouts,
    coalesce(losses_found, 0) AS losses_found,
    coalesce(undone, 0) AS undone
FROM worst
LEFT JOIN happened USING (host, netns, laddr, lport, raddr, rport)
ORDER BY loss + recovery DESC, worst.host, worst.lport;

-- How far is all that true? Time that may stand in a wrong state; events that the kernel's log
-- had no room for; lines that the host dropped, as nobody took them; and lines that are missing
-- here without a word: a receiver was killed with them.
WITH
    by_run AS (
        SELECT
            host, run,
            greatest(max(line), max(last_line)) - least(min(line), min(first_line)) + 1
                - count(line) AS gone,
            coalesce(sum(lines) FILTER (type = 'dropped'), 0) AS told
        FROM lines
        GROUP BY ALL
    ),
    by_host AS (SELECT host, sum(told) AS dropped, sum(gone - told) AS missing FROM by_run GROUP BY ALL)
SELECT
    reports.host,
    count(*) AS reports,
    count(*) FILTER (exact) AS exact,
    round(sum(uncertain_ns) / 1e6, 3) AS uncertain_ms,
    sum(entries_dropped) AS entries_dropped,
    any_value(dropped) AS lines_dropped,
    any_value(missing) AS lines_missing
FROM reports
JOIN by_host USING (host)
GROUP BY ALL
ORDER BY reports.host;
