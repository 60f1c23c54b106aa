#!/bin/sh
# What a sample of our metrics takes in the storage of a Prometheus (docs/fleet.md): forty
# minutes on an idle machine, six ports of loopback. A look each second stands for one each 15 s:
# the machines (machines.py) go on by 15 s from look to look, and blocks are of 480 looks, as
# those of two hours are.
# usage: measure.sh PROMETHEUS FOLDER [SECONDS]
set -eu
prometheus=$1 folder=$2 seconds=${3:-2400}
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$folder"
cd "$folder"
started=
trap 'kill $started 2>/dev/null || true' EXIT
begin() { # NAME PORT MACHINES GROUPS OPTION...
    name=$1 port=$2 machines=$3 groups=$4
    shift 4
    python3 "$here/machines.py" "$port" 15 "$groups" &
    started="$started $!"
    {
        echo 'global: {scrape_interval: 1s, scrape_timeout: 1s}'
        echo 'scrape_configs:'
        for number in $(seq "$machines"); do
            echo "  - job_name: tcpcong-$number"
            echo "    metrics_path: /$number/metrics"
            echo "    static_configs: [{targets: ['127.0.0.1:$port']}]"
        done
    } > "$name.yml"
    "$prometheus" --config.file="$name.yml" --storage.tsdb.path="$name" --log.level=warn \
        --web.listen-address="127.0.0.1:$((port + 10))" \
        --storage.tsdb.min-block-duration=8m --storage.tsdb.max-block-duration=24m "$@" &
    started="$started $!"
}
begin plain 19101 20 0
begin native 19102 20 0 --enable-feature=native-histograms
begin grouped 19103 4 20
sleep "$seconds"
for name in plain native grouped; do
    for block in "$name"/*/meta.json; do
        size=$(du -sb "${block%/*}" | cut -f1)
        chunks=$(du -sb "${block%/*}/chunks" | cut -f1)
        jq -r --arg name "$name" --argjson size "$size" --argjson chunks "$chunks" \
            '"\($name) \((.maxTime - .minTime) / 60000) min, level \(.compaction.level): \(.stats.numSeries) series, \(.stats.numSamples) samples, \($chunks / .stats.numSamples) bytes of chunks and \($size / .stats.numSamples) in all a sample"' "$block"
    done
done
