# Packages of other suites of Debian than this machine's, for scripts that source this and say by $cache
# where lists are kept. The mirror is the one in this machine's apt configuration; apt's own lists are not
# touched.
# shellcheck shell=sh disable=SC2154

mirror() { # SUITE
    # A repository beside Debian's may end in /debian as well: download.docker.com/linux/debian.
    # shellcheck disable=SC2016 # apt expands it
    uris=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 2>/dev/null | sed 's,/*$,,' | sort -u)
    main=$(echo "$uris" | grep -m1 -E '/debian(\.list)?$') || return 1
    case $1 in
    # An own mirror of the security archive comes first; most others have it beside the main one.
    *-security) echo "$uris" | grep -m1 -E '/debian-security(\.list)?$' || echo "$main" | sed 's,/debian\(\.list\)*$,/debian-security\1,' ;;
    *) echo "$main" ;;
    esac
}

see() { # SUITE: for apt_in; an error where no mirror is known
    mkdir -p "$cache/apt/$1/partial"
    from=$(mirror "$1") || return 1
    echo "deb $from $1 main" >"$cache/apt/$1.list"
}

apt_in() { # SUITE TOOL ARG...: TOOL with this one suite to see
    sources=$cache/apt/$1.list
    lists=$cache/apt/$1
    shift
    tool=$1
    shift
    "$tool" -qq -o Dir::Etc::SourceList="$sources" -o Dir::Etc::SourceParts=/nonexistent -o Dir::State::Lists="$lists" \
        -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Architecture=amd64 -o APT::Architectures::=amd64 \
        -o APT::Sandbox::User=root -o Acquire::Retries=2 -o APT::Update::Error-Mode=any -o Acquire::Check-Valid-Until=false "$@"
}
