// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/command.hpp"
#include "cli/option_checks.hpp"
#include "core/text.hpp"
#include "partition/import/import.hpp"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <map>
#include <memory>
#include <string>

namespace tessera::cli {
namespace {

using partition::ImportOptions;
using partition::InputFormat;
using partition::Separator;

struct Options {
  ImportOptions import;
  std::string output;
};

const std::map<std::string, InputFormat> kFormats = {{"auto", InputFormat::kAuto},
                                                     {"text", InputFormat::kText},
                                                     {"ntriples", InputFormat::kNTriples},
                                                     {"wordnet", InputFormat::kWordNet}};
const std::map<std::string, Separator> kSeparators = {
    {"auto", Separator::kAuto}, {"tab", Separator::kTab}, {"comma", Separator::kComma}, {"space", Separator::kSpace}};

void print_count(const char* what, std::uint64_t value) {
  if (value > 0) std::printf("%-24s %s\n", what, text::with_thousands(value).c_str());
}

void import(const Options& options) {
  const partition::ImportCounts counts = partition::import_graph(options.import, options.output);
  std::printf("%-24s %s\n", "graph", options.output.c_str());
  print_count("lines", counts.lines);
  print_count("triples read", counts.triples_read);
  print_count("duplicates dropped", counts.duplicates);
  print_count("in several splits", counts.in_several_splits);
  print_count("bad lines skipped", counts.bad_lines);
  print_count("unseen entities kept", counts.unseen_entities);
  print_count("unseen relations kept", counts.unseen_relations);
  print_count("attribute values", counts.attributes_read);
}

}  // namespace

Command add_import(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  ImportOptions& import_options = options->import;
  app.add_option("inputs", import_options.inputs,
                 "Files with triples, split at random; '-' is standard input; gzip and zstd are recognised");
  app.add_option("-o,--output", options->output, "The graph folder to make, for example data.kg")->required();
  app.add_option("--train", import_options.train, "Files of the training split");
  app.add_option("--valid", import_options.valid, "Files of the validation split");
  app.add_option("--test", import_options.test, "Files of the test split");
  app.add_option("--attributes", import_options.attributes, "Files with entity, attribute, value");
  app.add_option("--format", import_options.format, "auto, text, ntriples or wordnet")->transform(name_of(kFormats));
  app.add_option("--separator", import_options.separator, "Of text columns: auto, tab, comma or space")
      ->transform(name_of(kSeparators));
  app.add_option("--columns", import_options.columns, "Order of the columns: a permutation of hrt")
      ->capture_default_str();
  app.add_flag("--header", import_options.header, "The first line of each text file is not a triple");
  app.add_option("--valid-fraction", import_options.valid_fraction, "Of a random split")->capture_default_str();
  app.add_option("--test-fraction", import_options.test_fraction, "Of a random split")->capture_default_str();
  app.add_option("--seed", import_options.seed, "Of a random split")->check(whole_number(0))->capture_default_str();
  app.add_flag("--allow-unseen", import_options.allow_unseen,
               "Keep given valid and test triples whose entities or relations are not in train");
  app.add_flag("--skip-bad-lines", import_options.skip_bad_lines,
               "Count and report malformed lines instead of stopping");
  app.add_flag("--keep-isolated", import_options.keep_isolated, "Keep entities that have attributes but no triple");
  app.add_option("--temporary-folder", import_options.temporary_folder,
                 "For spilled records; default: beside the output");
  return {[options](Environment& /*environment*/) { import(*options); }, false};
}

}  // namespace tessera::cli
