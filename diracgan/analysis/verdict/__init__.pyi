from .verdict import Verdict as Verdict, verdict as verdict
