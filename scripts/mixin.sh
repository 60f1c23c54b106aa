#!/bin/sh
# Renders the mixin, and checks it: jsonnet's format, that what is committed is what the source
# renders, rules and alerts by promtool, and each alert's tests. `scripts/setup.sh test` installs
# what that takes.
# usage: mixin.sh [render [FOLDER] | expressions FOLDER | tests FOLDER | check | format]
set -eu
cd "$(dirname "$0")/.."
PATH=$PWD/target/prometheus/usr/bin:$PATH
what=${1:-render}
sources=$(find mixin -name '*.jsonnet' -o -name '*.libsonnet' | sort)

render() { # FOLDER
    mkdir -p "$1/dashboards"
    jsonnet -m "$1/dashboards" mixin/render/dashboards.jsonnet >/dev/null
    jsonnet -S mixin/render/alerts.jsonnet > "$1/alerts.yaml"
    jsonnet -S mixin/render/rules.jsonnet > "$1/rules.yaml"
    jsonnet -S mixin/render/kubernetes.jsonnet > "$1/prometheusrule.yaml"
}

# What only tests need: all expressions, and promtool's tests beside the rules.
expressions() { # FOLDER
    jsonnet mixin/render/expressions.jsonnet > "$1/expressions.json"
}
tests() { # FOLDER
    jsonnet mixin/render/tests.jsonnet > "$1/tests.json"
}

case $what in
    render) render "${2:-mixin/rendered}" ;;
    expressions) expressions "$2" ;;
    tests) tests "$2" ;;
    format)
        # shellcheck disable=SC2086 # one word a file
        jsonnetfmt -i $sources
        ;;
    check)
        # shellcheck disable=SC2086
        jsonnetfmt --test $sources || { echo "mixin: make -C mixin format" >&2; exit 1; }
        rm -rf target/mixin
        render target/mixin
        diff -r mixin/rendered target/mixin || { echo "mixin: make -C mixin, and commit it" >&2; exit 1; }
        tests target/mixin
        promtool check rules target/mixin/rules.yaml target/mixin/alerts.yaml
        promtool test rules target/mixin/tests.json
        ;;
    *)
        echo "mixin: what is $what? usage: mixin.sh [render [FOLDER] | expressions FOLDER | tests FOLDER | check | format]" >&2
        exit 2
        ;;
esac
