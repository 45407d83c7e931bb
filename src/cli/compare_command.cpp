// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/command.hpp"
#include "cli/option_checks.hpp"
#include "cli/run_context.hpp"
#include "evaluate/comparison.hpp"
#include "evaluate/rank_file.hpp"

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

namespace tessera::cli {
namespace {

constexpr std::uint64_t kResamples = 10000;

struct Options {
  std::string first;
  std::string second;
  std::string split = "test";
  std::uint64_t resamples = kResamples;
  bool json = false;
};

std::filesystem::path evaluation_file(const std::string& path, const std::string& split) {
  const bool is_job = std::filesystem::path(path).extension() == ".toml";
  const std::filesystem::path folder = is_job ? read_job(path).run.folder : path;
  if (!is_job && !std::filesystem::is_directory(folder)) return path;
  std::filesystem::path file = folder / evaluate::rank_file_name(find_split(split));
  if (!std::filesystem::exists(file))
    fail(ExitStatus::kMissingInput, "'{}' does not exist; 'tessera evaluate {} --split {}' makes it", file.string(),
         path, split);
  return file;
}

void compare(const comm::Communicator& comm, const Options& options) {
  const auto first = evaluate::read_evaluation(evaluation_file(options.first, options.split));
  const auto second = evaluate::read_evaluation(evaluation_file(options.second, options.split));
  const evaluate::BootstrapOptions bootstrap{.resamples = options.resamples};
  const auto comparison = evaluate::compare(first, second, bootstrap, thread_count(Job{}, comm));
  const std::string text = options.json ? evaluate::to_json(comparison, first, second, bootstrap) + "\n"
                                        : evaluate::to_text(comparison, first, second, bootstrap);
  std::fputs(text.c_str(), stdout);
}

}  // namespace

Command add_compare(const Parser& parser) {
  const auto options = std::make_shared<Options>();
  parser.add("first", options->first, "Evaluation file, or a run folder that has one, or the job file of that run")
      .required();
  parser.add("second", options->second, "The same of the other; positive differences are in its favour").required();
  parser.add("--split", options->split, "Which evaluation of a run folder: train, valid or test")
      .check(one_of({"train", "valid", "test"}))
      .show_default();
  parser.add("--resamples", options->resamples, "Bootstrap resamples of the triples; 0: only the difference")
      .check(whole_number(0, 1000000))
      .show_default();
  parser.add_flag("--json", options->json, "Print JSON");
  return {[options](comm::Communicator& comm) { compare(comm, *options); }};
}

}  // namespace tessera::cli
