# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_gapwatch_global_optspecs
    string join \n r= f/format= o/output= fail-on= community-id-seed= v/verbose show-allowed ports= include-reserved max-flows= threads= hash show-secrets q/quiet policy= signatures= baseline= color= registry= h/help V/version
end

function __fish_gapwatch_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_gapwatch_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_gapwatch_using_subcommand
    set -l cmd (__fish_gapwatch_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c gapwatch -n "__fish_gapwatch_needs_command" -s r -d 'A capture, as tcpdump names it' -r -F
complete -c gapwatch -n "__fish_gapwatch_needs_command" -s f -l format -d 'How to report on standard output' -r -f -a "table\t'For the terminal'
json\t'The whole report (gapwatch.report/1)'
ndjson\t'One event a line: begin, finding, end; while a capture runs also update, stats and report'
html\t'One page for people, with pictures, that needs nothing else'
csv\t'One line a finding, for spreadsheets'
zeek\t'Zeek\'s conn.log, one line a flow'
zeek-json\t'The same as JSON'
eve\t'Suricata\'s EVE: flows, and alerts for what is suspicious'
ecs\t'Documents of the Elastic Common Schema, one a finding'
stix\t'A STIX 2.1 bundle of what is suspicious'"
complete -c gapwatch -n "__fish_gapwatch_needs_command" -s o -l output -d 'Also write the report here; the suffix says how: .html .json .ndjson .csv .txt .log (Zeek) .zeek.json .eve.json .ecs.ndjson .stix.json. Repeatable' -r -F
complete -c gapwatch -n "__fish_gapwatch_needs_command" -l fail-on -d 'Exit with 1 when a finding has this class' -r -f -a "suspicious\t''
legacy-rpc\t''
custom\t''"
complete -c gapwatch -n "__fish_gapwatch_needs_command" -l community-id-seed -d 'What Community IDs begin with: the same on every tool of a site' -r
complete -c gapwatch -n "__fish_gapwatch_needs_command" -l ports -d 'Look at these ports instead of the unassigned ones: 817, 600-1023, 817/udp, comma-separated, well-known ports only' -r
complete -c gapwatch -n "__fish_gapwatch_needs_command" -l max-flows -d 'Flows with payload kept in memory, as many with RPC, and four times as many without; for each thread' -r
complete -c gapwatch -n "__fish_gapwatch_needs_command" -l threads -d 'Threads to read and to judge with; the report is the same for any number' -r
complete -c gapwatch -n "__fish_gapwatch_needs_command" -l policy -d 'The site\'s own word: services it knows and evidence it allows (TOML). Without the flag `$XDG_CONFIG_HOME/gapwatch/policy.toml` or `/etc/gapwatch/policy.toml`, where one exists; `none` for none' -r -F
complete -c gapwatch -n "__fish_gapwatch_needs_command" -l signatures -d 'Signatures of your own, written as those in src/signature/pattern.toml. Repeatable' -r -F
complete -c gapwatch -n "__fish_gapwatch_needs_command" -l baseline -d 'An earlier JSON report: what is new since then is marked' -r -F
complete -c gapwatch -n "__fish_gapwatch_needs_command" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c gapwatch -n "__fish_gapwatch_needs_command" -l registry -d 'Port registry to use: a table made by `gapwatch registry import`, or `built-in`' -r -F
complete -c gapwatch -n "__fish_gapwatch_needs_command" -s v -l verbose -d 'Every reason with its frames, and a Wireshark filter for every finding'
complete -c gapwatch -n "__fish_gapwatch_needs_command" -l show-allowed -d 'List what the policy allows among the findings of the table; without it there is a count'
complete -c gapwatch -n "__fish_gapwatch_needs_command" -l include-reserved -d 'Look at the ports that IANA keeps reserved as well'
complete -c gapwatch -n "__fish_gapwatch_needs_command" -l hash -d 'Put the SHA-256 of every input into the report, as an HTML report has them in any case; reads the files once more'
complete -c gapwatch -n "__fish_gapwatch_needs_command" -l show-secrets -d 'Show passwords that were captured; without it the report says that one was seen'
complete -c gapwatch -n "__fish_gapwatch_needs_command" -s q -l quiet -d 'No progress and no messages on stderr'
complete -c gapwatch -n "__fish_gapwatch_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c gapwatch -n "__fish_gapwatch_needs_command" -s V -l version -d 'Print version'
complete -c gapwatch -n "__fish_gapwatch_needs_command" -a "read" -d 'Read captures and report (the same as naming them without a verb)'
complete -c gapwatch -n "__fish_gapwatch_needs_command" -a "live" -d 'Watch an interface, tell findings as they come, and report at the end'
complete -c gapwatch -n "__fish_gapwatch_needs_command" -a "carve" -d 'The frames behind findings, as they were, in a pcapng file with a comment on each'
complete -c gapwatch -n "__fish_gapwatch_needs_command" -a "listening" -d 'This machine\'s own sockets on unassigned well-known ports, with process and user'
complete -c gapwatch -n "__fish_gapwatch_needs_command" -a "explain" -d 'What a port, an RPC program, a signature or a rule means'
complete -c gapwatch -n "__fish_gapwatch_needs_command" -a "policy" -d 'Whether a policy is sound, and what it would do to a report'
complete -c gapwatch -n "__fish_gapwatch_needs_command" -a "registry" -d 'The port registry as gapwatch sees it; refresh it from IANA\'s CSV'
complete -c gapwatch -n "__fish_gapwatch_needs_command" -a "generate" -d 'Completions, manual pages, and the schemas of what gapwatch writes'
complete -c gapwatch -n "__fish_gapwatch_needs_command" -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand read" -s r -d 'A capture, as tcpdump names it' -r -F
complete -c gapwatch -n "__fish_gapwatch_using_subcommand read" -s f -l format -d 'How to report on standard output' -r -f -a "table\t'For the terminal'
json\t'The whole report (gapwatch.report/1)'
ndjson\t'One event a line: begin, finding, end; while a capture runs also update, stats and report'
html\t'One page for people, with pictures, that needs nothing else'
csv\t'One line a finding, for spreadsheets'
zeek\t'Zeek\'s conn.log, one line a flow'
zeek-json\t'The same as JSON'
eve\t'Suricata\'s EVE: flows, and alerts for what is suspicious'
ecs\t'Documents of the Elastic Common Schema, one a finding'
stix\t'A STIX 2.1 bundle of what is suspicious'"
complete -c gapwatch -n "__fish_gapwatch_using_subcommand read" -s o -l output -d 'Also write the report here; the suffix says how: .html .json .ndjson .csv .txt .log (Zeek) .zeek.json .eve.json .ecs.ndjson .stix.json. Repeatable' -r -F
complete -c gapwatch -n "__fish_gapwatch_using_subcommand read" -l fail-on -d 'Exit with 1 when a finding has this class' -r -f -a "suspicious\t''
legacy-rpc\t''
custom\t''"
complete -c gapwatch -n "__fish_gapwatch_using_subcommand read" -l community-id-seed -d 'What Community IDs begin with: the same on every tool of a site' -r
complete -c gapwatch -n "__fish_gapwatch_using_subcommand read" -l ports -d 'Look at these ports instead of the unassigned ones: 817, 600-1023, 817/udp, comma-separated, well-known ports only' -r
complete -c gapwatch -n "__fish_gapwatch_using_subcommand read" -l max-flows -d 'Flows with payload kept in memory, as many with RPC, and four times as many without; for each thread' -r
complete -c gapwatch -n "__fish_gapwatch_using_subcommand read" -l threads -d 'Threads to read and to judge with; the report is the same for any number' -r
complete -c gapwatch -n "__fish_gapwatch_using_subcommand read" -l policy -d 'The site\'s own word: services it knows and evidence it allows (TOML). Without the flag `$XDG_CONFIG_HOME/gapwatch/policy.toml` or `/etc/gapwatch/policy.toml`, where one exists; `none` for none' -r -F
complete -c gapwatch -n "__fish_gapwatch_using_subcommand read" -l signatures -d 'Signatures of your own, written as those in src/signature/pattern.toml. Repeatable' -r -F
complete -c gapwatch -n "__fish_gapwatch_using_subcommand read" -l baseline -d 'An earlier JSON report: what is new since then is marked' -r -F
complete -c gapwatch -n "__fish_gapwatch_using_subcommand read" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c gapwatch -n "__fish_gapwatch_using_subcommand read" -l registry -d 'Port registry to use: a table made by `gapwatch registry import`, or `built-in`' -r -F
complete -c gapwatch -n "__fish_gapwatch_using_subcommand read" -s v -l verbose -d 'Every reason with its frames, and a Wireshark filter for every finding'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand read" -l show-allowed -d 'List what the policy allows among the findings of the table; without it there is a count'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand read" -l include-reserved -d 'Look at the ports that IANA keeps reserved as well'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand read" -l hash -d 'Put the SHA-256 of every input into the report, as an HTML report has them in any case; reads the files once more'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand read" -l show-secrets -d 'Show passwords that were captured; without it the report says that one was seen'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand read" -s q -l quiet -d 'No progress and no messages on stderr'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand read" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand live" -s i -l interface -d 'The interface to watch; `any` for all of them (Linux)' -r
complete -c gapwatch -n "__fish_gapwatch_using_subcommand live" -s s -l snapshot-length -d 'Bytes of each packet that are captured' -r
complete -c gapwatch -n "__fish_gapwatch_using_subcommand live" -s B -l buffer-size -d 'The kernel\'s buffer in MiB' -r
complete -c gapwatch -n "__fish_gapwatch_using_subcommand live" -s c -l count -d 'End after so many packets' -r
complete -c gapwatch -n "__fish_gapwatch_using_subcommand live" -l duration -d 'End after this time: 90s, 5m, 2h' -r
complete -c gapwatch -n "__fish_gapwatch_using_subcommand live" -l window -d 'Close and report a window of packet time, and start afresh with what portmappers have said: 5m, 1h' -r
complete -c gapwatch -n "__fish_gapwatch_using_subcommand live" -s w -l write -d 'Keep the frames behind suspicious findings here, as pcap' -r -F
complete -c gapwatch -n "__fish_gapwatch_using_subcommand live" -s C -l file-size -d 'Begin another file (FILE.1, FILE.2 …) after so many MiB; 0 for never' -r
complete -c gapwatch -n "__fish_gapwatch_using_subcommand live" -s W -l file-count -d 'After so many files, write the first again' -r
complete -c gapwatch -n "__fish_gapwatch_using_subcommand live" -l metrics -d 'Serve counters for Prometheus here: 127.0.0.1:9817' -r
complete -c gapwatch -n "__fish_gapwatch_using_subcommand live" -s f -l format -d 'How to report on standard output' -r -f -a "table\t'For the terminal'
json\t'The whole report (gapwatch.report/1)'
ndjson\t'One event a line: begin, finding, end; while a capture runs also update, stats and report'
html\t'One page for people, with pictures, that needs nothing else'
csv\t'One line a finding, for spreadsheets'
zeek\t'Zeek\'s conn.log, one line a flow'
zeek-json\t'The same as JSON'
eve\t'Suricata\'s EVE: flows, and alerts for what is suspicious'
ecs\t'Documents of the Elastic Common Schema, one a finding'
stix\t'A STIX 2.1 bundle of what is suspicious'"
complete -c gapwatch -n "__fish_gapwatch_using_subcommand live" -s o -l output -d 'Also write the report here; the suffix says how: .html .json .ndjson .csv .txt .log (Zeek) .zeek.json .eve.json .ecs.ndjson .stix.json. Repeatable' -r -F
complete -c gapwatch -n "__fish_gapwatch_using_subcommand live" -l fail-on -d 'Exit with 1 when a finding has this class' -r -f -a "suspicious\t''
legacy-rpc\t''
custom\t''"
complete -c gapwatch -n "__fish_gapwatch_using_subcommand live" -l community-id-seed -d 'What Community IDs begin with: the same on every tool of a site' -r
complete -c gapwatch -n "__fish_gapwatch_using_subcommand live" -l ports -d 'Look at these ports instead of the unassigned ones: 817, 600-1023, 817/udp, comma-separated, well-known ports only' -r
complete -c gapwatch -n "__fish_gapwatch_using_subcommand live" -l max-flows -d 'Flows with payload kept in memory, as many with RPC, and four times as many without' -r
complete -c gapwatch -n "__fish_gapwatch_using_subcommand live" -l policy -d 'The site\'s own word: services it knows and evidence it allows (TOML). Without the flag `$XDG_CONFIG_HOME/gapwatch/policy.toml` or `/etc/gapwatch/policy.toml`, where one exists; `none` for none' -r -F
complete -c gapwatch -n "__fish_gapwatch_using_subcommand live" -l signatures -d 'Signatures of your own, written as those in src/signature/pattern.toml. Repeatable' -r -F
complete -c gapwatch -n "__fish_gapwatch_using_subcommand live" -l baseline -d 'An earlier JSON report: what is new since then is marked' -r -F
complete -c gapwatch -n "__fish_gapwatch_using_subcommand live" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c gapwatch -n "__fish_gapwatch_using_subcommand live" -l registry -d 'Port registry to use: a table made by `gapwatch registry import`, or `built-in`' -r -F
complete -c gapwatch -n "__fish_gapwatch_using_subcommand live" -s D -l list-interfaces -d 'List the interfaces, with addresses and state'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand live" -s p -l promisc -d 'Take packets for other hosts, too'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand live" -l immediate -d 'Hand packets over at once instead of many together'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand live" -l no-kernel-filter -d 'Let the kernel hand over every packet, instead of those that may be in scope'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand live" -s v -l verbose -d 'Every reason with its frames, and a Wireshark filter for every finding'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand live" -l show-allowed -d 'List what the policy allows among the findings of the table; without it there is a count'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand live" -l include-reserved -d 'Look at the ports that IANA keeps reserved as well'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand live" -l show-secrets -d 'Show passwords that were captured'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand live" -s q -l quiet -d 'No status line and no messages on stderr'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand live" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand carve" -s w -l write -d 'The pcapng file to write; `-` is standard output' -r -F
complete -c gapwatch -n "__fish_gapwatch_using_subcommand carve" -l from -d 'A saved JSON report: nothing is judged again' -r -F
complete -c gapwatch -n "__fish_gapwatch_using_subcommand carve" -l class -d 'Findings of this class' -r -f -a "suspicious\t''
legacy-rpc\t''
custom\t''"
complete -c gapwatch -n "__fish_gapwatch_using_subcommand carve" -l service -d 'Findings of this service: 10.0.0.5:817/tcp. Repeatable' -r
complete -c gapwatch -n "__fish_gapwatch_using_subcommand carve" -l finding -d 'The finding of this place in the report, from 1. Repeatable' -r
complete -c gapwatch -n "__fish_gapwatch_using_subcommand carve" -l flow -d 'The flow of this Community ID. Repeatable' -r
complete -c gapwatch -n "__fish_gapwatch_using_subcommand carve" -l ports -d 'Look at these ports instead of the unassigned ones: 817, 600-1023, 817/udp, comma-separated, well-known ports only' -r
complete -c gapwatch -n "__fish_gapwatch_using_subcommand carve" -l community-id-seed -d 'What Community IDs begin with, as in the report that has them' -r
complete -c gapwatch -n "__fish_gapwatch_using_subcommand carve" -l policy -d 'The site\'s own word: services it knows and evidence it allows (TOML). Without the flag `$XDG_CONFIG_HOME/gapwatch/policy.toml` or `/etc/gapwatch/policy.toml`, where one exists; `none` for none' -r -F
complete -c gapwatch -n "__fish_gapwatch_using_subcommand carve" -l signatures -d 'Signatures of your own, written as those in src/signature/pattern.toml. Repeatable' -r -F
complete -c gapwatch -n "__fish_gapwatch_using_subcommand carve" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c gapwatch -n "__fish_gapwatch_using_subcommand carve" -l registry -d 'Port registry to use: a table made by `gapwatch registry import`, or `built-in`' -r -F
complete -c gapwatch -n "__fish_gapwatch_using_subcommand carve" -l include-reserved -d 'Look at the ports that IANA keeps reserved as well'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand carve" -s q -l quiet -d 'No messages on stderr'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand carve" -s h -l help -d 'Print help'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand listening" -s f -l format -r -f -a "table\t''
json\t''"
complete -c gapwatch -n "__fish_gapwatch_using_subcommand listening" -l ports -d 'Look at these ports instead of the unassigned ones: 817, 600-1023, 817/udp, comma-separated, well-known ports only' -r
complete -c gapwatch -n "__fish_gapwatch_using_subcommand listening" -l fail-on -d 'Exit with 1 when a socket is of this opinion' -r -f -a "unexplained\t'Nobody says what it is for'
legacy-rpc\t'Registered with this host\'s rpcbind'
known\t'The policy knows it'"
complete -c gapwatch -n "__fish_gapwatch_using_subcommand listening" -l policy -d 'The site\'s own word: services it knows and evidence it allows (TOML). Without the flag `$XDG_CONFIG_HOME/gapwatch/policy.toml` or `/etc/gapwatch/policy.toml`, where one exists; `none` for none' -r -F
complete -c gapwatch -n "__fish_gapwatch_using_subcommand listening" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c gapwatch -n "__fish_gapwatch_using_subcommand listening" -l registry -d 'Port registry to use: a table made by `gapwatch registry import`, or `built-in`' -r -F
complete -c gapwatch -n "__fish_gapwatch_using_subcommand listening" -l include-reserved -d 'Look at the ports that IANA keeps reserved as well'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand listening" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand explain" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c gapwatch -n "__fish_gapwatch_using_subcommand explain" -l registry -d 'Port registry to use: a table made by `gapwatch registry import`, or `built-in`' -r -F
complete -c gapwatch -n "__fish_gapwatch_using_subcommand explain" -s h -l help -d 'Print help'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand policy; and not __fish_seen_subcommand_from check help" -s h -l help -d 'Print help'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand policy; and not __fish_seen_subcommand_from check help" -f -a "check" -d 'Read a policy, and say what each entry would do to a JSON report'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand policy; and not __fish_seen_subcommand_from check help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand policy; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand policy; and __fish_seen_subcommand_from help" -f -a "check" -d 'Read a policy, and say what each entry would do to a JSON report'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand policy; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand registry; and not __fish_seen_subcommand_from import help" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c gapwatch -n "__fish_gapwatch_using_subcommand registry; and not __fish_seen_subcommand_from import help" -l registry -d 'Port registry to use: a table made by `gapwatch registry import`, or `built-in`' -r -F
complete -c gapwatch -n "__fish_gapwatch_using_subcommand registry; and not __fish_seen_subcommand_from import help" -s h -l help -d 'Print help'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand registry; and not __fish_seen_subcommand_from import help" -f -a "import" -d 'Replace the table from IANA\'s service-names-port-numbers.csv'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand registry; and not __fish_seen_subcommand_from import help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand registry; and __fish_seen_subcommand_from import" -s o -l output -d 'Write the table here instead of where gapwatch looks for it' -r -F
complete -c gapwatch -n "__fish_gapwatch_using_subcommand registry; and __fish_seen_subcommand_from import" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c gapwatch -n "__fish_gapwatch_using_subcommand registry; and __fish_seen_subcommand_from import" -l registry -d 'Port registry to use: a table made by `gapwatch registry import`, or `built-in`' -r -F
complete -c gapwatch -n "__fish_gapwatch_using_subcommand registry; and __fish_seen_subcommand_from import" -s h -l help -d 'Print help'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand registry; and __fish_seen_subcommand_from help" -f -a "import" -d 'Replace the table from IANA\'s service-names-port-numbers.csv'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand registry; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand generate; and not __fish_seen_subcommand_from bash zsh fish man schema help" -s h -l help -d 'Print help'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand generate; and not __fish_seen_subcommand_from bash zsh fish man schema help" -f -a "bash" -d 'Completions for bash'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand generate; and not __fish_seen_subcommand_from bash zsh fish man schema help" -f -a "zsh" -d 'Completions for zsh'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand generate; and not __fish_seen_subcommand_from bash zsh fish man schema help" -f -a "fish" -d 'Completions for fish'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand generate; and not __fish_seen_subcommand_from bash zsh fish man schema help" -f -a "man" -d 'The manual page of a verb, or of gapwatch; with --to, all of them'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand generate; and not __fish_seen_subcommand_from bash zsh fish man schema help" -f -a "schema" -d 'The JSON Schema (2020-12) of what gapwatch writes'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand generate; and not __fish_seen_subcommand_from bash zsh fish man schema help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand generate; and __fish_seen_subcommand_from bash" -s h -l help -d 'Print help'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand generate; and __fish_seen_subcommand_from zsh" -s h -l help -d 'Print help'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand generate; and __fish_seen_subcommand_from fish" -s h -l help -d 'Print help'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand generate; and __fish_seen_subcommand_from man" -l to -d 'Write every page into this folder' -r -F
complete -c gapwatch -n "__fish_gapwatch_using_subcommand generate; and __fish_seen_subcommand_from man" -s h -l help -d 'Print help'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand generate; and __fish_seen_subcommand_from schema" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand generate; and __fish_seen_subcommand_from help" -f -a "bash" -d 'Completions for bash'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand generate; and __fish_seen_subcommand_from help" -f -a "zsh" -d 'Completions for zsh'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand generate; and __fish_seen_subcommand_from help" -f -a "fish" -d 'Completions for fish'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand generate; and __fish_seen_subcommand_from help" -f -a "man" -d 'The manual page of a verb, or of gapwatch; with --to, all of them'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand generate; and __fish_seen_subcommand_from help" -f -a "schema" -d 'The JSON Schema (2020-12) of what gapwatch writes'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand generate; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand help; and not __fish_seen_subcommand_from read live carve listening explain policy registry generate help" -f -a "read" -d 'Read captures and report (the same as naming them without a verb)'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand help; and not __fish_seen_subcommand_from read live carve listening explain policy registry generate help" -f -a "live" -d 'Watch an interface, tell findings as they come, and report at the end'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand help; and not __fish_seen_subcommand_from read live carve listening explain policy registry generate help" -f -a "carve" -d 'The frames behind findings, as they were, in a pcapng file with a comment on each'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand help; and not __fish_seen_subcommand_from read live carve listening explain policy registry generate help" -f -a "listening" -d 'This machine\'s own sockets on unassigned well-known ports, with process and user'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand help; and not __fish_seen_subcommand_from read live carve listening explain policy registry generate help" -f -a "explain" -d 'What a port, an RPC program, a signature or a rule means'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand help; and not __fish_seen_subcommand_from read live carve listening explain policy registry generate help" -f -a "policy" -d 'Whether a policy is sound, and what it would do to a report'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand help; and not __fish_seen_subcommand_from read live carve listening explain policy registry generate help" -f -a "registry" -d 'The port registry as gapwatch sees it; refresh it from IANA\'s CSV'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand help; and not __fish_seen_subcommand_from read live carve listening explain policy registry generate help" -f -a "generate" -d 'Completions, manual pages, and the schemas of what gapwatch writes'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand help; and not __fish_seen_subcommand_from read live carve listening explain policy registry generate help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand help; and __fish_seen_subcommand_from policy" -f -a "check" -d 'Read a policy, and say what each entry would do to a JSON report'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand help; and __fish_seen_subcommand_from registry" -f -a "import" -d 'Replace the table from IANA\'s service-names-port-numbers.csv'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand help; and __fish_seen_subcommand_from generate" -f -a "bash" -d 'Completions for bash'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand help; and __fish_seen_subcommand_from generate" -f -a "zsh" -d 'Completions for zsh'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand help; and __fish_seen_subcommand_from generate" -f -a "fish" -d 'Completions for fish'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand help; and __fish_seen_subcommand_from generate" -f -a "man" -d 'The manual page of a verb, or of gapwatch; with --to, all of them'
complete -c gapwatch -n "__fish_gapwatch_using_subcommand help; and __fish_seen_subcommand_from generate" -f -a "schema" -d 'The JSON Schema (2020-12) of what gapwatch writes'
