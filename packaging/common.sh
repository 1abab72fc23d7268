# What packaging/tarball and packaging/deb have in common. Sourced from the root of the repository.

# Programs and locales of the machine change nothing in a package.
export LC_ALL=C TZ=UTC
umask 022

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
host=$(rustc -vV | sed -n 's/^host: //p')
# Every file has the time of the last commit, or what the caller says.
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
packages=$PWD/target/package
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Puts everything that is installed below a prefix.
lay_out() { # PREFIX ZSH_FOLDER
    local prefix=$1 share=$1/share page
    install -D --mode 755 "$(packaging/build-static --locked)" "$prefix/bin/winddown"
    for page in docs/man/*.1; do
        install -D --mode 644 "$page" "$share/man/man1/${page##*/}"
    done
    gzip --best --no-name "$share"/man/man1/*.1
    install -D --mode 644 docs/completions/winddown.bash "$share/bash-completion/completions/winddown"
    install -D --mode 644 docs/completions/_winddown "$share/zsh/$2/_winddown"
    install -D --mode 644 docs/completions/winddown.fish "$share/fish/vendor_completions.d/winddown.fish"
    install -D --mode 644 --target-directory "$share/doc/winddown" CHANGELOG.md LICENSE-APACHE LICENSE-MIT README.md
    packaging/licences "$host" >"$share/doc/winddown/THIRD-PARTY-LICENCES"
    find "$prefix" -exec touch --no-dereference --date "@$SOURCE_DATE_EPOCH" {} +
}
