// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/import/input_files.hpp"

#include "core/error.hpp"
#include "core/log.hpp"
#include "partition/import/column_choice.hpp"
#include "partition/import/input.hpp"
#include "partition/import/known_folders.hpp"
#include "partition/import/wordnet_reader.hpp"
#include "storage/checksum.hpp"

#include <algorithm>
#include <filesystem>

namespace tessera::partition {
namespace {

using Content = TextFormat::Content;

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
         "{}: this folder holds none of what is known: WordNet (data.noun, data.verb, data.adj, data.adv), OpenKE "
         "(train2id.txt, entity2id.txt, relation2id.txt), LibKGE (train.del, entity_ids.del, relation_ids.del), PyKEEN "
         "(numeric_triples.tsv.gz, entity_to_id.tsv.gz, relation_to_id.tsv.gz)",
         folder);
  return files;
}

class Lister {
 public:
  explicit Lister(const ImportOptions& options) : format_(options.format) {
    list_.entity_names = options.entity_names;
    list_.relation_names = options.relation_names;
    list_.has_splits = !options.train.empty();
    splits_given_ = list_.has_splits;
  }

  void add(const std::string& path, graph::Split split, Content content) {
    if (path != "-" && content == Content::kTriples && std::filesystem::is_directory(path))
      add_folder(path, split);
    else
      add_file(path, split, content);
  }

  InputList finish() {
    const auto from_pipe = [](const InputFile& file) { return file.path == "-"; };
    if (std::count_if(list_.files.begin(), list_.files.end(), from_pipe) > 1)
      fail(ExitStatus::kUsage, "standard input (-) can be read once only");
    for (const std::string& names : {list_.entity_names, list_.relation_names})
      if (!names.empty()) check_input(names);
    std::stable_sort(list_.files.begin(), list_.files.end(),
                     [](const InputFile& a, const InputFile& b) { return order(a) < order(b); });
    return std::move(list_);
  }

 private:
  // Splits, then attributes, then entities.
  static int order(const InputFile& file) {
    return file.content == Content::kTriples ? static_cast<int>(file.split) : 3 + static_cast<int>(file.content);
  }

  InputFile& add_file(const std::string& path, graph::Split split, Content content) {
    InputFile file{path, split, content, false, nullptr, check_input(path)};
    const bool triples = content == Content::kTriples;
    const bool named_wordnet = path != "-" && triples && wordnet_part(path).has_value();
    if (format_ == InputFormat::kWordNet && triples && !named_wordnet)
      fail(ExitStatus::kUsage, "{}: WordNet files are named data.noun, data.verb, data.adj and data.adv", path);
    file.wordnet = named_wordnet && (format_ == InputFormat::kWordNet || format_ == InputFormat::kAuto);
    if (file.wordnet) check_input(wordnet_index(path));
    return list_.files.emplace_back(file);
  }

  void add_folder(const std::string& path, graph::Split split) {
    const std::optional<KnownFolder> known = find_known_folder(path);
    if (!known) {
      for (const std::string& file : wordnet_files(path)) add_file(file, split, Content::kTriples);
      return;
    }
    take_names(list_.entity_names, known->entity_names);
    take_names(list_.relation_names, known->relation_names);
    list_.ids_first = known->ids_first;
    const bool with_splits = !splits_given_ && !(known->valid.empty() && known->test.empty());
    log::info("{}: a data set of {}{}", path, known->program, with_splits ? ", with its splits" : "");
    add_file(known->train, split, Content::kTriples).columns = known->columns;
    if (!with_splits) return;
    list_.has_splits = true;
    if (!known->valid.empty()) add_file(known->valid, graph::Split::kValid, Content::kTriples).columns = known->columns;
    if (!known->test.empty()) add_file(known->test, graph::Split::kTest, Content::kTriples).columns = known->columns;
  }

  // All files of one import have the same ids.
  static void take_names(std::string& list, const std::string& found) {
    if (!list.empty() && storage::hash_file(list) != storage::hash_file(found))
      fail(ExitStatus::kUsage, "'{}' and '{}' give names to the same ids; import one data set at a time", list, found);
    if (list.empty()) list = found;
  }

  InputFormat format_;
  bool splits_given_ = false;
  InputList list_;
};

}  // namespace

InputList list_inputs(const ImportOptions& options) {
  check_options(options);
  check_columns(options);
  Lister lister(options);
  for (const std::string& path : options.inputs) lister.add(path, graph::Split::kTrain, Content::kTriples);
  for (const std::string& path : options.train) lister.add(path, graph::Split::kTrain, Content::kTriples);
  for (const std::string& path : options.valid) lister.add(path, graph::Split::kValid, Content::kTriples);
  for (const std::string& path : options.test) lister.add(path, graph::Split::kTest, Content::kTriples);
  for (const std::string& path : options.attributes) lister.add(path, graph::Split::kTrain, Content::kAttributes);
  for (const std::string& path : options.entities) lister.add(path, graph::Split::kTrain, Content::kNodes);
  return lister.finish();
}

}  // namespace tessera::partition
