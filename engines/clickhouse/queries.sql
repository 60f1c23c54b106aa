-- Five questions about many hosts, and how far the answers are true. All of the last hour.

-- 1. When did it begin, and where?
SELECT
    m.minute AS minute,
    m.host AS host,
    uniqMerge(m.connections) AS connections,
    round(sum(m.loss_ns) / 1e9, 3) AS loss_s,
    round(sum(m.recovery_ns) / 1e9, 3) AS recovery_s,
    sum(m.rtos) AS rtos
FROM tcpcong.flows_per_minute AS m
WHERE m.minute >= now() - INTERVAL 1 HOUR
GROUP BY minute, host
ORDER BY minute, host;

-- 2. Is it a host, or the way to a network? Many hosts towards one network: the way.
SELECT
    m.prefix AS network,
    uniqExactIf(m.host, m.loss_ns + m.recovery_ns > 0) AS hosts,
    round(sum(m.loss_ns) / 1e9, 3) AS loss_s,
    round(sum(m.recovery_ns) / 1e9, 3) AS recovery_s,
    round(100 * sum(m.retrans) / nullIf(sum(m.delivered), 0), 2) AS retransmitted_percent,
    round(max(m.rtt_longest_ns) / 1e6, 1) AS rtt_longest_ms
FROM tcpcong.flows_per_minute AS m
WHERE m.minute >= now() - INTERVAL 1 HOUR
GROUP BY network
ORDER BY loss_s + recovery_s DESC, network
LIMIT 20;

-- 3. Whose connections are they, and what did timeouts cost them? The wait before each, and
-- Loss after it; what was waited in Loss, before repeated ones, is part of that.
SELECT
    m.unit AS unit,
    m.comm AS comm,
    uniqExact(m.host) AS hosts,
    uniqMerge(m.connections) AS connections,
    sum(m.rtos) AS rtos,
    round(sum(m.waited_ns - m.waited_loss_ns + m.loss_ns) / 1e9, 3) AS timeouts_cost_s
FROM tcpcong.flows_per_minute AS m
WHERE m.minute >= now() - INTERVAL 1 HOUR
GROUP BY unit, comm
ORDER BY timeouts_cost_s DESC, unit, comm
LIMIT 20;

-- 4. What holds connections up, on how many hosts, and what is to be looked at next?
SELECT
    v.verdict AS verdict,
    uniqExact(v.host) AS hosts,
    uniqExact(v.host, v.netns, v.laddr, v.lport, v.raddr, v.rport) AS connections,
    round(sum(v.held_up_ns) / 1e9, 3) AS held_up_s,
    max(v.next_step) AS next_step
FROM tcpcong.verdicts AS v
WHERE v.time >= now() - INTERVAL 1 HOUR
GROUP BY verdict
ORDER BY held_up_s DESC, verdict;

-- 5. Which connections, and what happened to them?
WITH
    worst AS
    (
        SELECT
            host, netns, laddr, lport, raddr, rport,
            sum(loss_ns) AS loss,
            sum(recovery_ns) AS recovery,
            max(rtt_ns) AS rtt
        FROM tcpcong.flows
        WHERE time >= now() - INTERVAL 1 HOUR
        GROUP BY host, netns, laddr, lport, raddr, rport
        ORDER BY loss + recovery DESC, host, lport
        LIMIT 10
    ),
    happened AS
    (
        SELECT
            host, netns, laddr, lport, raddr, rport,
            countIf(cause IN ('rto', 'rto-repeat', 'syn-timeout')) AS timeouts,
            countIf(cause IN ('fast-retransmit', 'rack-timer')) AS losses_found,
            countIf(cause = 'undo') AS undone
        FROM tcpcong.transitions
        WHERE time >= now() - INTERVAL 1 HOUR
        GROUP BY host, netns, laddr, lport, raddr, rport
    )
SELECT
    worst.host AS host,
    concat(worst.laddr, ':', toString(worst.lport)) AS local,
    concat(worst.raddr, ':', toString(worst.rport)) AS remote,
    round(worst.loss / 1e9, 3) AS loss_s,
    round(worst.recovery / 1e9, 3) AS recovery_s,
    round(worst.rtt / 1e6, 1) AS rtt_longest_ms,
    happened.timeouts AS timeouts,
    happened.losses_found AS losses_found,
    happened.undone AS undone
FROM worst
LEFT JOIN happened USING (host, netns, laddr, lport, raddr, rport)
ORDER BY worst.loss + worst.recovery DESC, host, worst.lport;

-- How far is all that true? Time that may stand in a wrong state; events that the kernel's log
-- had no room for; lines that the host dropped, as nobody took them; and lines that are missing
-- here without a word: a receiver was killed with them.
SELECT
    r.host AS host,
    count() AS reports,
    countIf(r.exact) AS exact,
    round(sum(r.uncertain_ns) / 1e6, 3) AS uncertain_ms,
    sum(r.entries_dropped) AS entries_dropped,
    max(n.dropped) AS lines_dropped,
    max(n.missing) AS lines_missing
FROM tcpcong.reports AS r
LEFT JOIN
(
    SELECT host, sum(told) AS dropped, sum(last - first + 1 - came - told) AS missing
    FROM
    (
        SELECT
            host, run,
            min(k.first) AS first,
            max(k.last) AS last,
            sum(k.came) AS came,
            sum(k.told) AS told
        FROM
        (
            SELECT host, run, m.first AS first, m.last AS last, m.lines AS came, 0 AS told
            FROM tcpcong.lines_per_minute AS m
            WHERE m.minute >= toStartOfMinute(now() - INTERVAL 1 HOUR)
            UNION ALL
            SELECT host, run, d.first_line, d.last_line, 0, d.lines
            FROM tcpcong.dropped AS d
            WHERE d.time >= toStartOfMinute(now() - INTERVAL 1 HOUR)
        ) AS k
        GROUP BY host, run
    )
    GROUP BY host
) AS n ON n.host = r.host
WHERE r.time >= now() - INTERVAL 1 HOUR
GROUP BY host
ORDER BY host;
