# Two commands for a newcomer: `make demo` and `make test`. Both install what the build needs where it is missing, and say so.
.PHONY: demo test bench lint record needs

CARGO ?= cargo

demo: needs
	$(CARGO) build --release --locked
	./target/release/gapwatch -v fixtures/nis-817.pcap

test: needs
	$(CARGO) test --locked --no-fail-fast
	$(CARGO) check --locked --no-default-features

lint: needs
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) clippy --locked --no-default-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --quiet

# Criterion's figures, and the whole program beside a plain read of the same file.
bench: needs
	$(CARGO) bench --locked
	benches/whole-program.sh

# Makes the captures in fixtures/ anew, from real programs; needs root.
record:
	fixtures/record.sh

needs:
	@sh contrib/needs.sh
