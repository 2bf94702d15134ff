# What the commands of a traced body are: functions that write down how they were called, and do
# nothing. BASH_ENV names this file, so a `bash -c` inside a body is traced too. Needs bash 4.4.

BASH_XTRACEFD=19 # what `set -x` says would be ours

# One call: how many words, the words, what came in, what wraps it, the folder, where its output and
# its errors go, and the exported variables.
__record() {
  local - __in='' __one __two
  set +eufx
  local IFS=' '
  if [[ ! /dev/fd/0 -ef /.trace/nothing ]]; then IFS='' builtin read -r -d '' -n 20000 __in; fi
  __where 1; __one=$__place
  __where 2; __two=$__place
  __status=0
  if [[ $__FAIL == *$'\x1e'"$*"$'\x1e'* ]]; then __status=1; fi
  {
    builtin printf '%s\0' "$#" "$@" "$__in" "$__WRAPPED" "$__FOLDER" "$__one" "$__two"
    builtin declare -px
    builtin printf '\0'
  } >> "/.trace/log.$__RUN"
  __stdin=$__in
}

__where() {
  if [[ /dev/fd/$1 -ef /.trace/out ]]; then __place=out
  elif [[ /dev/fd/$1 -ef /.trace/err ]]; then __place=err
  elif [[ /dev/fd/$1 -ef /dev/null ]]; then __place=null
  elif [[ -p /dev/fd/$1 ]]; then __place=pipe
  else __place=file
  fi
}

# What it prints stands for the command, so that one can see where it ends up.
__trace() {
  __record "$@"
  __answer "$@"
  return "$__status"
}

__answer() {
  local - IFS=' ' __said
  set +eufx
  case "$*" in
    "uname -m" | arch | "uname -p" | "uname -i") __said=$__MACHINE ;;
    "dpkg --print-architecture")
      case $__MACHINE in
        x86_64) __said=amd64 ;; aarch64) __said=arm64 ;; ppc64le) __said=ppc64el ;;
        *) __said=$__MACHINE ;;
      esac ;;
    "sed -e s/x86_64/amd64/ -e s/aarch64/arm64/ -e s/ppc64le/ppc64el/")
      __said=${__stdin/x86_64/amd64}
      __said=${__said/aarch64/arm64}
      __said=${__said/ppc64le/ppc64el}
      __said=${__said%$'\n'} ;;
    nproc* | wc* | "date +%s" | "id -u" | "id -g" | getconf*) __said=8 ;;
    mktemp*) __said=/tmp/made ;;
    cat | "cat -" | tee*) builtin printf '%s' "$__stdin"; return ;;
    *)
      __said="OUT.$*"
      __said=${__said//[^A-Za-z0-9._-]/.}
      __said=${__said:0:120} ;;
  esac
  builtin printf '%s\n' "$__said"
}

echo() { __record echo "$@"; builtin echo "$@"; return "$__status"; }
printf() { __record printf "$@"; builtin printf "$@"; return "$__status"; }
cd() { __record cd "$@"; __go "${1-}"; return "$__status"; }
pushd() { __record pushd "$@"; __go "${1-}"; return "$__status"; }
popd() { __record popd "$@"; __go ..; return "$__status"; }
__go() {
  case $1 in
    /*) export __FOLDER=$1 ;;
    *) export __FOLDER=$__FOLDER/$1 ;;
  esac
}
source() { __trace . "$@"; }
.() { __trace . "$@"; }
umask() { __trace umask "$@"; }
type() { __trace type "$@"; }
hash() { __trace hash "$@"; }
kill() { __trace kill "$@"; }

# Whether a file is there is as the setting says; all else is tested as it stands.
[() { __test "[" "$@"; }
test() { __test test "$@"; }
__test() {
  __record "$@"
  if builtin [ "$__status" != 0 ]; then return 1; fi
  if builtin [ -n "$__TESTS" ]; then return "$__TESTS"; fi
  local __words=() __before='' __word __name=$1
  shift
  for __word in "$@"; do
    case "$__before" in
      -n-?) __words+=("$__FILES") __before='' ; continue ;;
    esac
    case "$__before $__word" in
      "= "* | "== "* | "!= "*) __words+=("$__word") __before=$__word ;;
      *" -"[efdxsLhrwSpbcgkuOGN])
        if builtin [ "$#" -gt 2 ] || builtin [ "$__name" = test ]; then
          __words+=(-n) __before="-n$__word"
        else
          __words+=("$__word") __before=$__word
        fi ;;
      *) __words+=("$__word") __before=$__word ;;
    esac
  done
  builtin "$__name" "${__words[@]}"
}

# A wrapper is written down with what it runs.
__wrapper() {
  local __name=$1 __values=" $2 " __own=$3 __head=$1
  shift 3
  while builtin [ "$#" -gt 0 ]; do
    case "$__name $1" in
      *" -"*)
        __head+=" $1"
        if [[ $__values == *" $1 "* ]] && builtin [ "$#" -gt 1 ]; then shift; __head+=" $1"; fi
        shift ;;
      "env "[A-Za-z_]*=* | "sudo "[A-Za-z_]*=*) __head+=" $1"; shift ;;
      *)
        if builtin [ "$__own" -le 0 ]; then break; fi
        __own=$((__own - 1)) __head+=" $1"
        shift ;;
    esac
  done
  if builtin [ "$#" -eq 0 ]; then __trace $__head; return; fi
  local -x __WRAPPED="$__WRAPPED$__head "
  "$@"
}
sudo() { __wrapper sudo "-u --user -g --group -h -p -C -r -t -T -U -D --chdir" 0 "$@"; }
env() { __wrapper env "-u --unset -C --chdir" 0 "$@"; }
timeout() { __wrapper timeout "-k --kill-after -s --signal" 1 "$@"; }
nice() { __wrapper nice "-n --adjustment" 0 "$@"; }
ionice() { __wrapper ionice "-c -n --class --classdata" 0 "$@"; }
nohup() { __wrapper nohup "" 0 "$@"; }
stdbuf() { __wrapper stdbuf "-i -o -e --input --output --error" 0 "$@"; }
eatmydata() { __wrapper eatmydata "" 0 "$@"; }
chronic() { __wrapper chronic "" 0 "$@"; }
command() {
  case "${1-}" in
    -*) __trace command "$@" ;;
    *) "$@" ;;
  esac
}
__exec() { "$@"; exit; }

# A shell inside the body runs what it is given, traced.
__shell() {
  local __options=() __script
  while builtin [ "$#" -gt 0 ]; do
    case "$1" in
      -[oO] | +[oO]) __options+=("$1" "${2-}"); shift 2 ;;
      --) shift; break ;;
      -) shift ;;
      --*) __options+=("$1"); shift ;;
      -*c*) /bin/bash "${__options[@]}" "$@"; return ;;
      -* | +*) __options+=("$1"); shift ;;
      *) break ;;
    esac
  done
  if builtin [ "$#" -gt 0 ] && [[ " ${__options[*]} " != *" -s "* ]]; then
    __trace bash "${__options[@]}" "$@"
    return
  fi
  if [[ /dev/fd/0 -ef /.trace/nothing ]]; then __trace bash "${__options[@]}" "$@"; return; fi
  IFS='' builtin read -r -d '' __script || :
  /bin/bash "${__options[@]/#-s/-e}" -c "$__script" bash "$@" < /.trace/nothing
}
bash() { __shell "$@"; }
sh() { __shell "$@"; }
dash() { __shell "$@"; }
/bin/sh() { __shell "$@"; }
/usr/bin/bash() { __shell "$@"; }
/usr/bin/sh() { __shell "$@"; }

command_not_found_handle() { __trace "$@"; }

if [[ -r /.trace/names ]]; then builtin . /.trace/names; fi
