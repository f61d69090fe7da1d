from .diagnose import Diagnosis as Diagnosis, diagnose as diagnose
