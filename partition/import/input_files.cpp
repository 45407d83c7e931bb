// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/import/input_files.hpp"

#include "core/error.hpp"
#include "partition/import/input.hpp"
#include "partition/import/wordnet_reader.hpp"

#include <algorithm>
#include <filesystem>

namespace tessera::partition {
namespace {

void check_options(const ImportOptions& options) {
  const bool given = !options.train.empty() || !options.valid.empty() || !options.test.empty();
  if (options.inputs.empty() && !given)
    fail(ExitStatus::kUsage, "there is nothing to import: name a file, or - for standard input");
  if (!options.inputs.empty() && given)
    fail(ExitStatus::kUsage,
         "either plain inputs, which are split at random, or --train, --valid and --test; not both");
  if (given && options.train.empty()) fail(ExitStatus::kUsage, "--valid and --test need --train");
  const double held_out = options.valid_fraction + options.test_fraction;
  if (!(options.valid_fraction >= 0) || !(options.test_fraction >= 0) || !(held_out < 1))
    fail(ExitStatus::kUsage,
         "the fractions for valid ({}) and test ({}) must not be negative and leave something for train",
         options.valid_fraction, options.test_fraction);
}

std::vector<std::string> wordnet_files(const std::string& folder) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (wordnet_part(entry.path().string())) files.push_back(entry.path().string());
  std::sort(files.begin(), files.end());
  if (files.empty())
    fail(ExitStatus::kMissingInput,
         "{}: a folder is read as WordNet, but this one has no data.noun, data.verb, data.adj or data.adv", folder);
  return files;
}

class Lister {
 public:
  explicit Lister(InputFormat format) : format_(format) {}

  void add(const std::string& path, graph::Split split, bool attributes) {
    if (path != "-" && !attributes && std::filesystem::is_directory(path)) {
      for (const std::string& file : wordnet_files(path)) add(file, split, false);
      return;
    }
    InputFile file{path, split, attributes, false, check_input(path)};
    const bool named_wordnet = path != "-" && !attributes && wordnet_part(path).has_value();
    if (format_ == InputFormat::kWordNet && !attributes && !named_wordnet)
      fail(ExitStatus::kUsage, "{}: WordNet files are named data.noun, data.verb, data.adj and data.adv", path);
    file.wordnet = named_wordnet && (format_ == InputFormat::kWordNet || format_ == InputFormat::kAuto);
    if (file.wordnet) check_input(wordnet_index(path));
    files_.push_back(file);
  }

  std::vector<InputFile> finish() {
    const auto from_pipe = [](const InputFile& file) { return file.path == "-"; };
    if (std::count_if(files_.begin(), files_.end(), from_pipe) > 1)
      fail(ExitStatus::kUsage, "standard input (-) can be read once only");
    return std::move(files_);
  }

 private:
  InputFormat format_;
  std::vector<InputFile> files_;
};

}  // namespace

std::vector<InputFile> list_inputs(const ImportOptions& options) {
  check_options(options);
  Lister lister(options.format);
  for (const std::string& path : options.inputs) lister.add(path, graph::Split::kTrain, false);
  for (const std::string& path : options.train) lister.add(path, graph::Split::kTrain, false);
  for (const std::string& path : options.valid) lister.add(path, graph::Split::kValid, false);
  for (const std::string& path : options.test) lister.add(path, graph::Split::kTest, false);
  for (const std::string& path : options.attributes) lister.add(path, graph::Split::kTrain, true);
  return lister.finish();
}

}  // namespace tessera::partition
