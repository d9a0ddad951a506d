# The commands a stranger needs. On Debian and its relatives each installs what is missing, if run as root, or says
# what to install.

SWIFT   ?= swift
PREFIX  ?= /usr/local
RUNS    ?= runs
CONVNET := .build/release/convnet

.PHONY: help demo test build bench docs format protobuf install dependencies clean

help:
	@echo "make demo      build, train on embedded pictures for under a minute, predict some"
	@echo "make test      build and run all tests"
	@echo "make bench     time training and inference beside PyTorch, in one run"
	@echo "make docs      write the API reference to .build/docs"
	@echo "make format    format all Swift sources"
	@echo "make protobuf  generate Swift from the .proto files anew"
	@echo "make install   copy the command to $(PREFIX)/bin"

dependencies:
	@Scripts/install-dependencies

build: dependencies
	$(SWIFT) build -c release --product convnet

demo: build
	@Scripts/demo $(CONVNET) $(RUNS)

# Release, because kernels that are compiled without optimisation are about 150 times slower. By product, because
# `swift test` alone would first build the tools of all plug-ins that packages bring, among them swift-protobuf's protoc:
# 300 files of C++ that nothing here runs.
test: build
	@Scripts/install-dependencies test
	$(SWIFT) build -c release --product ConvNetPackageTests
	$(SWIFT) test -c release --skip-build

bench: build
	@Benchmarks/run $(CONVNET)

docs: dependencies
	$(SWIFT) package --allow-writing-to-directory .build/docs generate-documentation --target ConvNet --target Layers \
	  --target Training --target Tasks --target Vision --target Models --enable-experimental-combined-documentation \
	  --output-path .build/docs

format:
	$(SWIFT) format --in-place --recursive --parallel Package.swift Sources Tests

protobuf:
	@Scripts/generate-protobuf

install: build
	install -D -m 755 $(CONVNET) $(DESTDIR)$(PREFIX)/bin/convnet

clean:
	rm -rf .build $(RUNS)
