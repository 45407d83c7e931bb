// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace tessera {

/// Everything a job file says. The defaults are those of the program; docs/user/job_file.md explains each key.
struct Job {
  struct Data {
    std::string graph;
    std::uint64_t parts = 8;
  } data;
  struct Run {
    std::string folder;
    std::uint64_t seed = 1;
    std::uint64_t threads = 0;  ///< per rank; 0: the cores of this machine shared by the ranks on it
    std::string memory;         ///< budget per rank, "4GiB"; empty: what the machine allows
    std::uint64_t watchdog_seconds = 120;
    std::string device = "cpu";      ///< where training computes
    std::string placement = "auto";  ///< how many parts each rank gets
    std::string device_memory;  ///< of cuda: budget per rank; empty: what is free, shared by the ranks on the device
    std::string products = "auto";  ///< how matrices are multiplied; auto: bf16 on devices, fp32 on hosts
    std::string rows = "fp32";      ///< the format of entity rows
  } run;
  struct Memory {
    std::string queries = "auto";  ///< where the packed queries of a rank lie: in its memory, or read again from disk
    double hot_rows = 0.02;        ///< of run.rows = "int8": share of the rows of a part that are in fp32
    std::string resident_parts = "all";  ///< parts whose rows are in memory while training: "all", "auto", a number
    std::string folder;                  ///< of the other rows; empty: beside the run folder
  } memory;
  struct Model {
    std::string name = "complex";
    std::uint64_t dim = 128;  ///< reals per entity row
    std::string init = "normal";
    double init_scale = 1e-3;        ///< standard deviation (normal) or half width (uniform); not for xavier
    std::uint64_t relation_dim = 0;  ///< of tucker: reals per relation row; 0: as many as dim
  } model;
  struct Train {
    std::uint64_t epochs = 100;
    std::uint64_t batch_size = 4096;  ///< queries per step, all parts together; a triple is two queries
    bool group_queries = false;       ///< a query is visited once per epoch, with all of its answers
    std::uint64_t segment_steps = 0;  ///< most steps between two points at which a run can stop; 0: by the sizes
  } train;
  struct Negatives {
    std::uint64_t count = 512;  ///< shared negatives per part and step
    std::string scope = "global";
    bool unbiased = true;  ///< scale the sampled sum to an unbiased estimate of the full one
  } negatives;
  struct Loss {
    std::string name = "softmax";
    double margin = 1;       ///< of margin and self_adversarial
    double temperature = 1;  ///< of self_adversarial
    double smoothing = 0;    ///< label smoothing of bce
  } loss;
  struct RelationPrediction {
    double weight = 0;  ///< of the auxiliary loss; 0: off
  } relation_prediction;
  struct Dropout {
    double entity = 0;    ///< chance that an element of a query's source row counts as 0
    double relation = 0;  ///< chance to drop an element of the operator of the relation
  } dropout;
  struct Propagation {  ///< of nbfnet and ultra
    std::uint64_t layers = 6;
    std::string relations = "independent";  ///< of nbfnet: how relation rows are made
    std::string removed = "own";            ///< edges that a batch does not see
    std::string weights;                    ///< of ultra: file or model folder to start from; empty: from nothing
  } propagation;
  struct Regulariser {
    std::string name = "none";
    double weight = 0;           ///< of entity rows; for l2, n3 of relations too, for dura of query vectors too
    double power = 3;            ///< the rest only for ivr
    double relation_weight = 0;  ///< of relation rows
    double product_weight = 0;   ///< of query vectors
  } regulariser;
  struct Optimiser {
    std::string name = "adagrad";
    double learning_rate = 0.1;
    double epsilon = 1e-10;
    double beta1 = 0.9;          ///< Adam's decay of the mean gradient
    double beta2 = 0.999;        ///< Adam's decay of the mean square
    std::string state = "fp32";  ///< of adagrad: the format of the states of entity rows
  } optimiser;
  struct Schedule {
    std::string name = "constant";
    double warmup_epochs = 1;    ///< of warmup: the rate rises from step to step until then
    double factor = 0.5;         ///< of plateau: by which the rate is multiplied
    std::uint64_t patience = 3;  ///< of plateau: after so many validations without a better one
  } schedule;
  struct Average {
    double decay = 0;  ///< of the weights' average over epochs; 0: off
  } average;
  struct Exchange {
    std::string mode = "auto";
    std::uint64_t staleness = 0;
    std::string scores = "auto";     ///< moving queries: kept between the passes, or computed again
    std::string transport = "auto";  ///< of cuda: how device memory travels between ranks
    std::string format = "fp32";     ///< moving rows: how rows and their gradients travel between parts
  } exchange;
  struct Validate {
    std::uint64_t every = 5;        ///< epochs; 0: never
    std::uint64_t patience = 0;     ///< checks without improvement before stopping; 0: never
    std::uint64_t max_triples = 0;  ///< 0: the whole split
  } validate;
  struct Checkpoint {
    std::string every = "0";  ///< time between checkpoints, "10min"; "0": only as validations say
    std::uint64_t keep = 1;   ///< the newest ones that stay, beside the best
    bool background = true;   ///< written from a copy of the rows while training goes on, if the copy fits
  } checkpoint;
  struct Expect {
    std::string split = "test";
    double mrr = 0;        ///< the MRR that `evaluate --check` demands; 0: none
    double tolerance = 0;  ///< by which the MRR may be lower all the same
  } expect;
};

inline constexpr std::uint64_t kMostDim = std::uint64_t{1} << 16U;
inline constexpr std::uint64_t kMostParts = std::uint64_t{1} << 20U;

/// Parts whose rows are in memory, of all ranks; 0: all of them. "auto" must have been decided.
std::uint32_t resident_parts(const Job& job);

/// A run folder keeps its job, every key resolved, under this name.
inline constexpr const char* kJobFile = "job.toml";

/// Visits every key in file order: the one description that reading, writing and help share.
void visit(Job& job, ConfigVisitor& visitor);

/// Reads, overrides, checks. Throws Error(kUsage) or Error(kMissingInput).
Job read_job(const std::filesystem::path& file, const std::vector<std::string>& overrides = {});

/// The job with some settings changed, key=value each. Throws Error(kUsage).
Job with_settings(Job job, const std::vector<std::string>& settings);

/// The job as TOML text, every key resolved.
std::string to_toml(Job job);

/// Returns the job with absolute paths, which mean the same in every working folder. Throws Error(kUsage) for a path
/// that TOML cannot hold.
Job with_absolute_paths(Job job);

/// A key that two jobs set differently; the values as TOML.
struct JobChange {
  std::string key;
  std::string before;
  std::string now;
};

/// The first difference that makes another run of the same data: what can change while a run is continued (how long,
/// where, with which memory and threads, how it is validated) is not one. Whether `data.graph` holds the same graph
/// is for its digest to say.
std::optional<JobChange> changed_result(Job before, Job now);

}  // namespace tessera
