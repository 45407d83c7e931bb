// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/command.hpp"
#include "cli/inspect.hpp"
#include "core/child_process.hpp"
#include "core/error.hpp"

#include <CLI/CLI.hpp>

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

void print_text(const nlohmann::ordered_json& value, const std::string& indent) {
  for (const auto& [key, item] : value.items()) {
    if (item.is_object()) {
      std::printf("%s%s\n", indent.c_str(), key.c_str());
      print_text(item, indent + "  ");
    } else if (item.is_array()) {
      std::printf("%s%s\n", indent.c_str(), key.c_str());
      for (const auto& line : item) std::printf("%s  %s\n", indent.c_str(), line.get<std::string>().c_str());
    } else {
      const std::string text = item.is_string() ? item.get<std::string>() : item.dump();
      std::printf("%s%-20s %s\n", indent.c_str(), key.c_str(), text.c_str());
    }
  }
}

int inspect_and_print(const Options& options) {
  try {
    const auto description = inspect(options.path);
    if (options.json)
      std::printf("%s\n", description.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
    else
      print_text(description, "");
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
  if (end.signal == SIGPIPE) {  // whoever reads has enough
    std::signal(SIGPIPE, SIG_DFL);
    std::raise(SIGPIPE);
  }
  fail(ExitStatus::kBadData, "'{}' is damaged or hostile: the process that read it was ended by signal {}",
       options.path, end.signal);
}

}  // namespace

Command add_info(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  app.add_option("path", options->path, "File or folder: graph, partition, run, checkpoint, HDF5 file")->required();
  app.add_flag("--json", options->json, "Print JSON");
  return {[options](Environment& /*environment*/) { info(*options); }, false, Interrupts::kDefault};
}

}  // namespace tessera::cli
