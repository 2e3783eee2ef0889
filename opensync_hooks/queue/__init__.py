"""What hooks left behind and no destination has confirmed yet, and who works it off.

spool, job              events and jobs, each a file; what a job holds
shift, drain            the worker's time with the lock; what becomes of each job
retry, rest             how long to wait after which failure; a destination left alone
keepsake, keeping       copies for when an agent deletes what still waits
leftovers, mending      what killed processes left half done, and power cuts
waiting                 all of it, for the command `queue` and for `status`
"""
