// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/command.hpp"
#include "cli/inspect.hpp"
#include "core/child_process.hpp"
#include "core/error.hpp"

#include <csignal>
#include <cstdio>
#include <memory>
#include <string>

namespace tessera::cli {
namespace {

struct Options {
  std::string path;
  bool json = false;
};

int inspect_and_print(const Options& options) {
  try {
    std::fputs(inspect(options.path, options.json).c_str(), stdout);
    flush_results();
    return 0;
  } catch (const Error& error) {
    std::fprintf(stderr, "tessera: %s\n", error.what());
    return static_cast<int>(error.status());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tessera: '%s' cannot be inspected: %s\n", options.path.c_str(), error.what());
    return static_cast<int>(ExitStatus::kBadData);
  }
}

// The file may come from anywhere and the HDF5 library has bugs: it is parsed in a child with limits.
void info(const Options& options) {
  const ChildRules limits{.most_bytes = std::uint64_t{8} << 30U, .most_seconds = 600};
  const ChildEnd end = run_child([&] { return inspect_and_print(options); }, limits);
  if (end.signal == 0 && end.status == 0) return;
  if (end.signal == 0) throw ReportedError(static_cast<ExitStatus>(end.status));
  if (end.signal == SIGPIPE) {  // the reader has enough
    std::signal(SIGPIPE, SIG_DFL);
    std::raise(SIGPIPE);
  }
  fail(ExitStatus::kBadData, "'{}' is damaged or hostile: the process that read it was ended by signal {}",
       options.path, end.signal);
}

}  // namespace

Command add_info(const Parser& parser) {
  const auto options = std::make_shared<Options>();
  parser.add("path", options->path, "File or folder: graph, partition, run, checkpoint, HDF5 file").required();
  parser.add_flag("--json", options->json, "Print JSON");
  return {[options](comm::Communicator& /*comm*/) { info(*options); }, false, Interrupts::kDefault};
}

}  // namespace tessera::cli
