from footplate import data as data
from footplate.sdk import Client as Client
from footplate.sdk import Job as Job
from footplate.sdk import RunningWorkspace as RunningWorkspace
from footplate.sdk import TrainingJob as TrainingJob
from footplate.sdk import Workspace as Workspace
