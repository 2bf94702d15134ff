# Runs the body once for each setting, and keeps what came of it.
set -f
ulimit -c 0 -t 3
mapfile -t __folders < /.trace/folders
__last=$1
__options=("${@:2}")
for ((__number = 0; __number < __last; __number++)); do
  (
    ulimit -f 300
    builtin . "/.trace/setting.$__number"
    export __RUN=$__number BASH_ENV=/.trace/recorder.sh
    exec /bin/bash "${__options[@]}" /.trace/body \
      < /.trace/nothing > /.trace/out 2> /.trace/err 19> /.trace/xtrace
  ) 2> /.trace/killed
  printf '%s' "$?" > "/.trace/status.$__number"
  printf '%s' "$(< /.trace/err)" > "/.trace/errors.$__number"
  set +f
  for __folder in "${__folders[@]}"; do
    for __file in "$__folder"/* "$__folder"/.[!.]*; do
      if [[ -f $__file && -s $__file && -w $__file ]]; then
        printf '%s\0%s\0' "$__file" "$(< "$__file")" >> "/.trace/files.$__number"
        : > "$__file"
      fi
    done 2> /.trace/killed
  done
  set -f
done
