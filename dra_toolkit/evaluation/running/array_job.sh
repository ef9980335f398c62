#!/bin/bash
#SBATCH --job-name=dra-eval
#SBATCH --array=0-{last}
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=8
{devices}#SBATCH --time=24:00:00
#SBATCH --output=dra-eval-%A-%a.out
#SBATCH --requeue
# Set time, cores and GPUs as your cluster has them, and add what it asks for: --partition, --account.
# Every task takes shards that no other one works on until none is left, so the array may have any number of tasks, and a
# task that ends early is made up for by the others, or by submitting the script again. All must see the same files.
set -euo pipefail

# What the job needs beside this installation: module load ..., export HF_HOME=...

cd {folder}
srun --cpus-per-task="$SLURM_CPUS_PER_TASK" {command}
