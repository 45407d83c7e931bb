// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/application.hpp"

#include "cli/command.hpp"
#include "cli/interruption.hpp"
#include "cli/logging.hpp"
#include "comm/agreement.hpp"
#include "comm/mpi/mpi_session.hpp"
#include "comm/self/self_communicator.hpp"
#include "core/error.hpp"
#include "core/log.hpp"
#include "core/provenance.hpp"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace tessera::cli {
namespace {

constexpr std::chrono::seconds kTimeOfLauncher{10};  // to end all ranks, when one of them has failed

// How long ranks wait for each other before the job's own limit is known, and at the end.
std::chrono::seconds start_limit() {
  constexpr long kDefault = 120;
  const char* text = std::getenv("TESSERA_START_SECONDS");  // NOLINT(concurrency-mt-unsafe): read once at start
  const long seconds = text == nullptr ? kDefault : std::strtol(text, nullptr, 10);
  return std::chrono::seconds(seconds > 0 ? seconds : kDefault);
}

// The commands by name.
using Commands = std::map<std::string, Command>;

// The ranks that were started together, or this process alone.
struct World {
  comm::Launch launch = comm::MpiSession::launch();
  std::optional<comm::MpiSession> session;
  std::unique_ptr<comm::Communicator> comm;
  World() {
    if (comm::MpiSession::started_by_launcher()) {
      session.emplace(start_limit());
      comm = session->world(start_limit());
    } else {
      comm = comm::make_self_communicator();
    }
  }
};

Commands add_commands(CommandLine& line) {
  Commands commands;
  const auto add = [&](const char* name, const char* description, Command (*adder)(const Parser&)) {
    commands[name] = adder(line.add_command(name, description));
  };
  add("import", "Read triples from text, N-Triples or WordNet files into a graph folder", add_import);
  add("import-model", "Make a model of vectors that another program has trained", add_import_model);
  add("init", "Write a job file for a graph, with comments", add_init);
  add("partition", "Split a graph into parts, one HDF5 chunk each", add_partition);
  add("plan", "Say how much memory the stages of a job take, and what would make it fit", add_plan);
  add("train", "Train the model that a job file describes", add_train);
  add("search", "Train a job with many settings and say which are best", add_search);
  add("evaluate", "Rank the targets of a split among all entities", add_evaluate);
  add("compare", "Say how much better one evaluation is than another of the same queries", add_compare);
  add("report", "Show one run, or some side by side, as an HTML page", add_report);
  add("runs", "List the runs beneath a folder", add_runs);
  add("predict", "Find the best answers to queries, or the best pairs of a relation", add_predict);
  add("score", "Score and rank the triples of a list", add_score);
  add("calibrate", "Learn from the valid split how scores become probabilities", add_calibrate);
  add("similar", "Find the entities that are nearest to others", add_similar);
  add("export", "Write a trained model, or the sum of several, for analysis and other programs", add_export);
  add("attributes", "Print the attributes of an entity", add_attributes);
  add("info", "Say what a file or folder of Tessera holds, and whether it is sound", add_info);
  return commands;
}

void report(const std::string& message) {
  std::fprintf(stderr, "tessera: %s\n", message.c_str());
  std::fflush(stderr);
}

// Each of several tasks would do the whole work, and write the same files.
bool is_one_of_lone_tasks(const World& world) {
  const char* alone = std::getenv("TESSERA_ALONE");  // NOLINT(concurrency-mt-unsafe): read once at start
  return world.comm->size() == 1 && world.launch.tasks > 1 && (alone == nullptr || *alone == '\0');
}

int refuse_lone_tasks(const comm::Launch& launch) {
  if (launch.task == 0)
    report(fmt::format(
        "{0} started {1} tasks, but MPI makes each of them a world of its own. This program uses {2}: start it "
        "with the mpirun of this MPI, or, if Slurm and this MPI have PMIx, with 'srun --mpi=pmix'. For {1} "
        "programs that do not belong together, set TESSERA_ALONE=1",
        launch.by, launch.tasks, comm::MpiSession::library()));
  return static_cast<int>(ExitStatus::kUsage);
}

// Runs the command; every failure becomes one message and an exit status. A rank that fails alone ends all of them.
int execute(const Command& command, comm::Communicator& comm, const std::string& stage) {
  const auto failed_alone = [&](const std::string& what, ExitStatus status) {
    if (comm.size() == 1) {
      report(what);
      return static_cast<int>(status);
    }
    report(fmt::format("rank {} on {}, in {}: {}", comm.rank().value(), host_name(), stage, what));
    comm::MpiSession::abort(static_cast<int>(status));
  };
  try {
    if (!command.parallel && comm.size() > 1)
      throw comm::AgreedError(ExitStatus::kUsage,
                              fmt::format("'tessera {}' runs as one process; start it without mpirun or srun", stage));
    command.action(comm);
    comm::on_root(comm, flush_results);
    return 0;
  } catch (const ReportedError& error) {
    return static_cast<int>(error.status());
  } catch (const comm::AgreedError& error) {
    if (comm.is_root()) report(error.what());
    return static_cast<int>(error.status());
  } catch (const comm::SilenceError& error) {
    if (error.is_known()) std::this_thread::sleep_for(kTimeOfLauncher);
    return failed_alone(error.what(), error.status());
  } catch (const Error& error) {
    return failed_alone(error.what(), error.status());
  } catch (const std::bad_alloc&) {
    return failed_alone("the system is out of memory", ExitStatus::kOverBudget);
  } catch (const std::exception& error) {
    return failed_alone(fmt::format("internal error: {}", error.what()), ExitStatus::kInternal);
  }
}

std::string joined(int argc, char** argv) {
  std::string line;
  for (int i = 0; i < argc; ++i) line += (i == 0 ? "" : " ") + std::string(argv[i]);
  return line;
}

std::unique_ptr<Interruption> start_interruption(const Command& command) {
  switch (command.interrupts) {
    case Interrupts::kCleanUp: return std::make_unique<Interruption>(std::vector{SIGINT, SIGTERM, SIGHUP});
    case Interrupts::kOwnTerm: return std::make_unique<Interruption>(std::vector{SIGINT, SIGHUP}, command.on_interrupt);
    case Interrupts::kDefault: break;
  }
  return nullptr;
}

int dispatch(const Command& command, const CommandLine::Result& parsed) {
  const auto interruption = start_interruption(command);  // before any other thread is started
  const World world;
  if (is_one_of_lone_tasks(world)) return refuse_lone_tasks(world.launch);
  comm::Communicator& comm = *world.comm;
  const Verbosity verbosity = parsed.quiet     ? Verbosity::kQuiet
                              : parsed.verbose ? Verbosity::kVerbose
                                               : Verbosity::kNormal;
  start_logging(comm.rank(), verbosity);
  const int status = execute(command, comm, parsed.command);
  log::set_sink({});
  return status;
}

// The command line is wrong, or asks for help or the version, which are results too.
int finish_parsing(const CommandLine::Result& parsed) {
  const World world;
  const bool is_root = world.comm->is_root();
  if (parsed.is_wrong) {
    if (is_root) report(parsed.text);
    return static_cast<int>(ExitStatus::kUsage);
  }
  try {
    if (is_root) std::fputs(parsed.text.c_str(), stdout);
    flush_results();
  } catch (const Error& lost) {
    report(lost.what());
    return static_cast<int>(lost.status());
  }
  return 0;
}

}  // namespace

void flush_results() {
  errno = 0;
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return;
  fail(ExitStatus::kIo, "the results could not be written to standard output{}{}", errno == 0 ? "" : ": ",
       errno == 0 ? "" : std::strerror(errno));
}

int run(int argc, char** argv) {
  set_command_line(joined(argc, argv));
  CommandLine line;
  const Commands commands = add_commands(line);
  const CommandLine::Result parsed = line.parse(argc, argv);
  return parsed.command.empty() ? finish_parsing(parsed) : dispatch(commands.at(parsed.command), parsed);
}

}  // namespace tessera::cli
